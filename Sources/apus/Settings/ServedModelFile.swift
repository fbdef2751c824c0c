import Configuration
import Foundation
import HTTP

/// A model of `apus serve`: where its file is and how its workers compute.
struct ServedModelFile: Sendable {
    var name: String
    var path: String
    /// SHA-256 that the file must have; nil takes any.
    var digest: [UInt8]?
    var workers: Int
    var loadsAtStart = true
    var computing: ComputeSettings
    /// Where the operator has listed it; nil for the one of the arguments.
    var place: String?

    /// - Throws: a sentence when the file is not the one that the operator means. Reads all of it.
    func checkDigest() throws {
        guard let digest else { return }
        let found = try FileDigest.of(path)
        guard found == digest else {
            throw Sentence(
                description: "\(path) has the SHA-256 \(HexDigits.text(found)), but \(place ?? "its list") wants "
                    + "\(HexDigits.text(digest)): the file is another, or it is damaged.")
        }
    }

    /// What a worker is started with; `computing` is its share of the machine.
    func arguments(
        _ computing: ComputeSettings, sandbox: String, drainSeconds: Double, logLevel: String, logFormat: String,
        traceEndpoint: String?
    ) -> [String] {
        ["worker", path, "--name", name, "--host", "127.0.0.1", "--port", "0", "--metrics-port", "0"]
            + ["--dies-with-parent", "--sandbox", sandbox] + computing.flags + ["--drain-timeout", "\(drainSeconds)"]
            + ["--log-level", logLevel, "--log-format", logFormat]
            + (traceEndpoint.map { ["--\(TraceKeys.endpoint.name)", $0] } ?? [])
    }
}

/// Which models `apus serve` serves, as its settings say.
enum ServedModelFiles {
    static func read(_ settings: Settings, _ flags: Serve) throws -> [ServedModelFile] {
        let workers = try settings.value(ServeKeys.workers, flag: flags.workers)
        guard let list = try settings.optional(ServeKeys.models, flag: flags.models) else {
            let path = try settings.value(WorkerKeys.model, flag: flags.model)
            let name = try ModelName.of(settings.optional(WorkerKeys.name, flag: flags.name), path: path)
            return [
                ServedModelFile(
                    name: name, path: path, workers: workers,
                    computing: try ComputeSettings(settings, flags.computing))
            ]
        }
        for (key, flag) in [(WorkerKeys.model, flags.model), (WorkerKeys.name, flags.name)] {
            guard let said = try settings.optional(key, flag: flag) else { continue }
            throw ConfigurationError.badValue(
                place: key.name, value: said, expected: "left out where \(ServeKeys.models.name) lists the models")
        }
        let files = try entries(list).map { entry in
            ServedModelFile(
                name: try ModelName.of(entry.name, path: entry.path), path: entry.path, digest: entry.digest,
                workers: entry.workers ?? workers, loadsAtStart: entry.loadsAtStart,
                computing: try ComputeSettings(settings, flags.computing.changed(by: entry.computing)),
                place: entry.place)
        }
        for (index, file) in files.enumerated() where files[..<index].contains(where: { $0.name == file.name }) {
            throw ConfigurationError.badValue(
                place: file.place ?? list, value: file.name, expected: "a name of its own for each model")
        }
        return files
    }

    /// - Parameter list: a manifest, or a folder whose models are all served: GGUF files, and folders with a config.json.
    private static func entries(_ list: String) throws -> [ModelManifest.Entry] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: list, isDirectory: &isFolder), isFolder.boolValue else {
            guard let data = FileManager.default.contents(atPath: list), let text = String(data: data, encoding: .utf8)
            else { throw ConfigurationError.unreadable(path: list, reason: "there is no text that can be read") }
            let folder = URL(filePath: list).deletingLastPathComponent()
            return try ModelManifest.read(text, path: list).map { entry in
                var entry = entry
                entry.path = absolute(entry.path, folder)
                if let template = entry.computing[WorkerKeys.chatTemplate.name] {
                    entry.computing[WorkerKeys.chatTemplate.name] = absolute(template, folder)
                }
                return entry
            }
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: list).filter { name in
            name.hasSuffix(".gguf") || FileManager.default.fileExists(atPath: "\(list)/\(name)/config.json")
        }.sorted()
        guard !names.isEmpty else {
            throw ConfigurationError.unreadable(
                path: list, reason: "the folder holds no file *.gguf and no folder with a config.json")
        }
        return names.map { ModelManifest.Entry(path: list + "/" + $0, place: list) }
    }

    private static func absolute(_ path: String, _ folder: URL) -> String {
        path.hasPrefix("/") ? path : folder.appending(path: path).path
    }
}

/// SHA-256 of files too large to hold.
enum FileDigest {
    /// - Returns: 32 bytes.
    static func of(_ path: String) throws -> [UInt8] {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw ConfigurationError.unreadable(path: path, reason: "there is no file that can be read")
        }
        defer { try? file.close() }
        let digest = try RunningSHA256()
        while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty { digest.update(piece) }
        return digest.finish()
    }
}
