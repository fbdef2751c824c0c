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
                let isThere = FileManager.default.isReadableFile(atPath: path)
                throw ConfigurationError.unreadable(
                    path: path, reason: isThere ? "the file is not UTF-8 text" : "there is no file that can be read")
            }
        }
        return try Settings(
            environment: environment, yaml: yaml, filePath: path, known: known, knownElsewhere: EveryKey.names)
    }
}
