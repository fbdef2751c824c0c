import Configuration
import Foundation

extension Settings {
    /// Settings of this process: its environment, and the file that `--config` or APUS_CONFIG names.
    static func ofProcess(configFlag: String?, known: [String]) throws -> Settings {
        let environment = ProcessInfo.processInfo.environment
        let path = configFlag ?? environment["APUS_CONFIG"]
        let yaml = try path.map { path in
            do {
                return try String(contentsOfFile: path, encoding: .utf8)
            } catch {
                throw ConfigurationError.unreadable(path: path, reason: "the file cannot be read as UTF-8 text")
            }
        }
        return try Settings(
            environment: environment, yaml: yaml, filePath: path, known: known, knownElsewhere: EveryKey.names)
    }
}
