import Foundation
import HTTP

/// A file on its way: `NAME.part` beside where it will be, hashed as it grows, kept when the way is interrupted.
final class PartialFile {
    private let target: String
    private let file: FileHandle
    private var digest: RunningSHA256
    private(set) var byteCount = 0
    /// What the server said of the content that is here, in its entity tag; nil where that does not tell contents apart.
    private(set) var validator: String?

    private var path: String { target + ".part" }
    private var validatorPath: String { target + ".part.etag" }

    /// Goes on from what is there.
    init(target: String) throws {
        self.target = target
        let path = target + ".part"
        // Another process that pulls the same would write between our bytes.
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw Sentence(description: "\(path) cannot be written: \(String(cString: strerror(errno))).")
        }
        file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw Sentence(description: "\(path) is being written by another process.")
        }
        digest = try RunningSHA256()
        while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty {
            digest.update(piece)
            byteCount += piece.count
        }
        validator = try? String(contentsOfFile: target + ".part.etag", encoding: .utf8)
    }

    /// Throws away what is there.
    func restart() throws {
        try file.truncate(atOffset: 0)
        digest = try RunningSHA256()
        byteCount = 0
        validator = nil
        try? FileManager.default.removeItem(atPath: validatorPath)
    }

    /// - Parameter tag: the entity tag of a response from its first byte on. A weak one says nothing about bytes.
    func note(tag: String?) {
        guard let tag, tag.hasPrefix("\"") else { return }
        validator = tag
        try? tag.write(toFile: validatorPath, atomically: true, encoding: .utf8)
    }

    func append(_ bytes: Data) throws {
        try file.write(contentsOf: bytes)
        digest.update(bytes)
        byteCount += bytes.count
    }

    /// Gives the file its name when it is what was wanted; else nothing is left of it.
    /// - Parameter wanted: its SHA-256; nil takes any.
    /// - Returns: its SHA-256.
    func finish(wanted: [UInt8]?) throws -> [UInt8] {
        let found = digest.finish()
        defer { try? FileManager.default.removeItem(atPath: validatorPath) }
        guard wanted == nil || wanted == found else {
            try? FileManager.default.removeItem(atPath: path)
            throw WrongDigest(found: found)
        }
        try file.synchronize()
        guard rename(path, target) == 0 else {
            throw Sentence(description: "\(path) cannot be renamed: \(String(cString: strerror(errno))).")
        }
        return found
    }

    struct WrongDigest: Error { var found: [UInt8] }
}
