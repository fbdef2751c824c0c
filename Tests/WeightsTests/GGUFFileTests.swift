import TestSupport
import Testing

@testable import Weights

@Suite struct GGUFFileTests {
    static func sample() -> GGUFWriter {
        var writer = GGUFWriter()
        writer.entries = [
            ("general.architecture", .string("llama")), ("a.u8", .uint8(200)), ("a.i8", .int8(-3)),
            ("a.u32", .uint32(7)), ("a.u64", .uint64(.max)), ("a.f32", .float(0.5)), ("a.f64", .double(2.25)),
            ("a.nan", .float(.nan)), ("a.yes", .bool(1)), ("a.words", .strings(["one", "", "zwölf"])),
            ("a.scores", .floats([1, -2.5])), ("a.kinds", .ints([1, -6])),
        ]
        writer.add("norm", [3], floats: [1, 2, 3])
        writer.add("blocks", [64, 2], type: 8, [UInt8](repeating: 7, count: 4 * 34))
        return writer
    }

    @Test(arguments: [UInt32(2), 3]) func `a good file gives back what was written`(version: UInt32) throws {
        var writer = Self.sample()
        writer.version = version
        let source = try TemporaryFile(writer.bytes())

        let file = try GGUFFile(path: source.path)

        #expect(file.version == version)
        #expect(file.fileByteCount == writer.bytes().count)
        #expect(file.metadata.keys == writer.entries.map(\.key))
        #expect(try file.metadata.string("general.architecture") == "llama")
        #expect(try file.metadata.int("a.i8") == -3)
        #expect(try file.metadata.uint("a.u8") == 200)
        #expect(try file.metadata.float("a.f32") == 0.5)
        #expect(try file.metadata.float("a.f64") == 2.25)
        #expect(try file.metadata.bool("a.yes") == true)
        #expect(try file.metadata.strings("a.words") == ["one", "", "zwölf"])
        #expect(try file.metadata.floats("a.scores") == [1, -2.5])
        #expect(try file.metadata.ints("a.kinds") == [1, -6])
        #expect(try file.metadata.string("absent") == nil)
        #expect(file.metadata.summary("a.words") == "3 × string")
        #expect(file.tensors.map(\.name) == ["norm", "blocks"])
        let blocks = try #require(file.tensor(named: "blocks"))
        #expect((blocks.type, blocks.columnCount, blocks.rowCount, blocks.rowByteCount) == (.q8_0, 64, 2, 68))
        #expect(file.bytes(of: blocks).allSatisfy { $0 == 7 })
        #expect(file.bytes(of: blocks).count == 4 * 34)
        #expect(file.tensor(named: "absent") == nil)
    }

    @Test func `a value of another type is an error that names key, expectation and finding`() throws {
        let source = try TemporaryFile(Self.sample().bytes())
        let metadata = try GGUFFile(path: source.path).metadata

        #expect(
            throws: GGUFError(
                path: source.path,
                fault: .wrongValueType(key: "a.u32", expected: "a string", found: "of type uint32"))
        ) { try metadata.string("a.u32") }
        #expect(throws: GGUFError.self) { try metadata.int("a.f32") }
        #expect(throws: GGUFError.self) { try metadata.uint("a.i8") }
        #expect(throws: GGUFError.self) { try metadata.int("a.u64") }
        #expect(throws: GGUFError.self) { try metadata.float("a.nan") }
        #expect(throws: GGUFError.self) { try metadata.bool("a.u8") }
        #expect(throws: GGUFError.self) { try metadata.strings("general.architecture") }
        #expect(throws: GGUFError.self) { try metadata.floats("a.kinds") }
        #expect(throws: GGUFError.self) { try metadata.ints("a.words") }
        #expect(throws: GGUFError.self) { try metadata.ints("a.scores") }
    }

    @Test func `the digest sees every byte`() throws {
        let bytes = Self.sample().bytes()
        let source = try TemporaryFile(bytes)
        let digest = try GGUFFile(path: source.path).contentDigest()

        #expect(try GGUFFile(path: source.path).contentDigest() == digest)
        #expect(digest.description.count == 32)
        var seen: Set = [digest]
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            let other = changed.withUnsafeBytes { ContentDigest(of: $0) }
            #expect(seen.insert(other).inserted, "byte \(index)")
        }
        let shorter = bytes.dropLast().withUnsafeBytes { ContentDigest(of: $0) }
        #expect(seen.insert(shorter).inserted)
    }

    @Test func `a path that is no model says why`() throws {
        let absent = "/nowhere/model.gguf"
        #expect(
            throws: GGUFError(path: absent, fault: .unreadable(reason: "No such file or directory"))
        ) { try GGUFFile(path: absent) }
        #expect(
            throws: GGUFError(path: "/tmp", fault: .unreadable(reason: "it is not a regular file"))
        ) { try GGUFFile(path: "/tmp") }
        let empty = try TemporaryFile()
        #expect(
            throws: GGUFError(path: empty.path, fault: .unreadable(reason: "it is empty"))
        ) { try GGUFFile(path: empty.path) }
    }
}
