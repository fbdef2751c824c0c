import Foundation
import TestSupport
import Testing

@testable import Weights

@Suite struct GGUFFileWriterTests {
    /// Copies a file's metadata and tensors through the writer, in parts of `part` bytes.
    private func copy(_ source: GGUFFile, to path: String, part: Int, leaving left: Int = 0) throws {
        let writer = try GGUFFileWriter(
            path: path, metadata: GGUFEntries(copying: source.metadata),
            tensors: source.tensors.map { .init(name: $0.name, type: $0.type, dimensions: $0.dimensions) })
        for tensor in source.tensors.dropLast(left) {
            let bytes = source.bytes(of: tensor)
            for start in stride(from: 0, to: bytes.count, by: part) {
                try writer.write(UnsafeRawBufferPointer(rebasing: bytes[start..<min(bytes.count, start + part)]))
            }
        }
        if left == 0 {
            try writer.finish()
            #expect(try Data(contentsOf: URL(filePath: path)).count == writer.fileByteCount)
        }
    }

    private func siblings(of path: String) throws -> [String] {
        let url = URL(filePath: path)
        return try FileManager.default.contentsOfDirectory(atPath: url.deletingLastPathComponent().path)
            .filter { $0.hasPrefix(url.lastPathComponent + ".") }
    }

    @Test(arguments: [32, 8, 4096], [1, 50, 1 << 20])
    func `what is written is what another writer writes, byte for byte`(alignment: Int, part: Int) throws {
        var writer = GGUFFileTests.sample()
        writer.alignment = alignment
        writer.entries.append(("general.alignment", .uint32(UInt32(alignment))))
        writer.add("three", [32, 2, 3], type: 2, (0..<108).map { UInt8($0) })
        let source = try TemporaryFile(writer.bytes())
        let target = try TemporaryFile()

        try copy(try GGUFFile(path: source.path), to: target.path, part: part)

        #expect(try [UInt8](Data(contentsOf: URL(filePath: target.path))) == writer.bytes())
        #expect(try siblings(of: target.path) == [])
    }

    @Test func `a key that is set takes the old one's place, or comes last`() throws {
        let source = try TemporaryFile(GGUFFileTests.sample().bytes())
        let target = try TemporaryFile()
        var entries = try GGUFEntries(copying: try GGUFFile(path: source.path).metadata)
        entries.set("a.words", to: 5)
        entries.set("b.new", to: 6)

        try GGUFFileWriter(path: target.path, metadata: entries, tensors: []).finish()

        let metadata = try GGUFFile(path: target.path).metadata
        #expect(metadata.keys == GGUFFileTests.sample().entries.map(\.key) + ["b.new"])
        #expect(try metadata.int("a.words") == 5)
        #expect(try metadata.int("b.new") == 6)
        #expect(try metadata.ints("a.kinds") == [1, -6])
    }

    @Test func `a file that is not finished leaves what was there`() throws {
        let source = try TemporaryFile(GGUFFileTests.sample().bytes())
        let target = try TemporaryFile([1, 2, 3])

        try copy(try GGUFFile(path: source.path), to: target.path, part: 64, leaving: 1)

        #expect(try [UInt8](Data(contentsOf: URL(filePath: target.path))) == [1, 2, 3])
        #expect(try siblings(of: target.path) == [])
    }

    @Test func `what cannot be written is one sentence`() throws {
        let source = try TemporaryFile(GGUFFileTests.sample().bytes())
        let entries = try GGUFEntries(copying: try GGUFFile(path: source.path).metadata)
        let target = try TemporaryFile()
        func fault(_ path: String, _ dimensions: [Int]) -> GGUFFault? {
            do throws(GGUFError) {
                _ = try GGUFFileWriter(
                    path: path, metadata: entries, tensors: [.init(name: "t", type: .f32, dimensions: dimensions)])
                return nil
            } catch {
                #expect(error.description.hasPrefix(path + ": ") && error.description.hasSuffix("."))
                return error.fault
            }
        }
        #expect(fault("/nowhere/out.gguf", [32, 2]) == .unwritable(reason: "No such file or directory"))
        #expect(fault("/tmp", [32, 2]) == .unwritable(reason: "something that is not a regular file is there"))
        #expect(fault(target.path, [.max, .max]) == .tensorTooLarge(tensor: "t", dimensions: [.max, .max]))
        #expect(fault(target.path, [(1 << 61) - 1]) == .tooLarge)
        if case .noRoom? = fault(target.path, [1 << 50]) {} else { Issue.record("4 PiB found room") }
        #expect(try siblings(of: target.path) == [])
    }
}
