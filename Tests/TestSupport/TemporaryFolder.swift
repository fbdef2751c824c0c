package import Foundation

/// A folder that is gone when this is.
package final class TemporaryFolder {
    package let url: URL
    private let isKept: Bool
    package var path: String { url.path }

    package init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString)")
        isKept = false
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    /// One that stays.
    package init(keeping url: URL) throws {
        (self.url, isKept) = (url, true)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    package func write(_ name: String, _ data: Data) throws {
        let file = url.appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file)
    }

    package func write(_ name: String, json object: [String: Any]) throws {
        try write(name, JSONSerialization.data(withJSONObject: object, options: .sortedKeys))
    }

    package func remove(_ name: String) throws { try FileManager.default.removeItem(at: url.appending(path: name)) }

    deinit { if !isKept { try? FileManager.default.removeItem(at: url) } }
}
