package import JSON

/// A folder with a model as Hugging Face lays it out: small JSON files around the weights.
package struct ModelFolder: Sendable {
    package let path: String

    /// The largest tokenizer.json in use has 35 MB.
    private static let byteMax = 256 << 20

    /// - Returns: nil when no folder is there.
    package init?(path: String) {
        guard FileMapping.isDirectory(path) else { return nil }
        self.path = path
    }

    package func path(of name: String) -> String { path + "/" + name }

    package func has(_ name: String) -> Bool { FileMapping.exists(path(of: name)) }

    /// The bytes of a file; nil when there is none.
    /// - Throws: a sentence when there is something that cannot be read.
    package func bytes(of name: String) throws(ModelFolderError) -> [UInt8]? {
        guard FileMapping.exists(path(of: name)) else { return nil }
        do throws(UnreadableFile) {
            let mapping = try FileMapping(path: path(of: name))
            guard mapping.bytes.count <= Self.byteMax else {
                throw UnreadableFile(
                    reason: "it has \(mapping.bytes.count) bytes, and at most \(Self.byteMax) are read")
            }
            return Array(mapping.bytes)
        } catch {
            throw ModelFolderError(path: path(of: name), reason: "the file cannot be read: \(error.reason)")
        }
    }

    /// The bytes of small files, one behind the other, told apart by their names and lengths: what decides a model's
    /// answers beside its weights.
    package func settings(_ names: [String]) throws(ModelFolderError) -> [UInt8] {
        var settings: [UInt8] = []
        for name in names {
            let bytes = try bytes(of: name)
            settings += Array("\(name) \(bytes?.count ?? -1)\n".utf8) + (bytes ?? [])
        }
        return settings
    }

    /// A file of JSON; nil when there is none.
    package func json(_ name: String) throws(ModelFolderError) -> JSONValue? {
        guard let bytes = try bytes(of: name) else { return nil }
        do throws(JSONError) { return try Self.parse(bytes) } catch {
            throw ModelFolderError(path: path(of: name), reason: "the file is not valid JSON: \(error.cause)")
        }
    }

    /// JSON as large as that of a vocabulary.
    package static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
        var limits = JSONParser.Limits()
        limits.memberCountMax = 4_194_304
        limits.valueCountMax = 16_777_216
        return try JSONParser.parse(bytes, limits: limits)
    }
}

/// Why a file of a model's folder cannot be used. `description` is one sentence with the path in front.
package struct ModelFolderError: Error, Equatable, Sendable, CustomStringConvertible {
    package var path: String
    /// Half a sentence.
    package var reason: String

    package init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    package var description: String { "\(path): \(reason)." }
}
