import Foundation
import Models
import TestSupport
import Testing
import Weights

@Suite struct GGUFConversionTests {
    /// Tensors of every kind: one longer than a piece, one of three dimensions, one of short rows, a vector.
    private static func sample(_ type: GGUFTensorType, alignment: Int = 32) -> GGUFWriter {
        var random = SeededRandom(seed: UInt64(type.rawValue) + 1)
        var writer = GGUFWriter()
        writer.alignment = alignment
        writer.entries = [
            ("general.architecture", .string("llama")), ("general.file_type", .uint32(99)),
            ("general.alignment", .uint32(UInt32(alignment))), ("a.words", .strings(["one", "", "zwölf"])),
        ]
        func add(_ name: String, _ dimensions: [Int], _ type: GGUFTensorType) {
            let count = dimensions.reduce(1, *) / type.blockElementCount
            writer.add(
                name, dimensions, type: type.rawValue,
                (0..<count).flatMap { _ in RandomModel.block(type, 0.05, using: &random) })
        }
        add("long", [512, 140], type)
        add("three", [256, 3, 5], type)
        add("short", [24, 7], .f32)
        add("vector", [256], .f32)
        return writer
    }

    private static func values(_ file: GGUFFile, _ name: String) throws -> [Float] {
        let tensor = try #require(file.tensor(named: name))
        return Dequantization.values(of: file.bytes(of: tensor), type: tensor.type)
    }

    @Test(arguments: GGUFTensorType.allCases, GGUFConversion.Target.allCases)
    func `every type becomes every other, within the error of its blocks`(
        type: GGUFTensorType, target: GGUFConversion.Target
    ) throws {
        let source = try TemporaryFile(Self.sample(type, alignment: 64).bytes())
        let result = try TemporaryFile()
        let file = try GGUFFile(path: source.path)

        let byteCount = try GGUFConversion(file, to: target).write(to: result.path, threads: 1)

        let converted = try GGUFFile(path: result.path)
        #expect(converted.version == 3 && converted.fileByteCount == byteCount)
        #expect(converted.tensors.map(\.name) == file.tensors.map(\.name))
        #expect(converted.tensors.map(\.dimensions) == file.tensors.map(\.dimensions))
        #expect(converted.tensors.map(\.type) == [target.type, target.type, .f32, .f32])
        #expect(converted.tensors.allSatisfy { $0.offset % 64 == 0 })
        for name in ["short", "vector"] { #expect(try Self.values(converted, name) == Self.values(file, name)) }
        // Of the largest number: a step is a 127th or an 8th of it, and F16 has 11 bits, but never less than 2^-24.
        let relative: Float =
            switch target {
            case .f32: 0
            case .f16: 0x1p-11
            case .q8_0: 0.5 / 127 + 0x1p-11
            case .q4_0: 1.0 / 8 + 0x1p-11
            }
        for name in ["long", "three"] {
            let (exact, found) = (try Self.values(file, name), try Self.values(converted, name))
            #expect(exact.count == found.count)
            for start in stride(from: 0, to: exact.count, by: 32) {
                let most = exact[start..<start + 32].map(abs).max() ?? 0
                let worst = (start..<start + 32).map { abs(exact[$0] - found[$0]) }.max() ?? 0
                guard worst > most * relative + (target == .f32 ? 0 : 127 * 0x1p-25) else { continue }
                Issue.record("\(type) to \(target), \(name), block \(start / 32): \(worst) of \(most)")
                break
            }
        }
    }

    @Test func `metadata stays, but for what tells the type`() throws {
        let source = try TemporaryFile(Self.sample(.f32).bytes())
        let file = try GGUFFile(path: source.path)
        for (target, fileType) in [(GGUFConversion.Target.f32, 0), (.f16, 1), (.q4_0, 2), (.q8_0, 7)] {
            let result = try TemporaryFile()
            _ = try GGUFConversion(file, to: target).write(to: result.path, threads: 1)
            let metadata = try GGUFFile(path: result.path).metadata
            let isQuantized = target == .q4_0 || target == .q8_0
            #expect(metadata.keys == file.metadata.keys + (isQuantized ? ["general.quantization_version"] : []))
            #expect(try metadata.int("general.file_type") == fileType)
            #expect(try metadata.strings("a.words") == ["one", "", "zwölf"])
        }
    }

    @Test func `threads change no byte`() throws {
        let source = try TemporaryFile(Self.sample(.f16).bytes())
        let file = try GGUFFile(path: source.path)
        let results = try [1, 2, 5].map { threads in
            let result = try TemporaryFile()
            _ = try GGUFConversion(file, to: .q4_0).write(to: result.path, threads: threads)
            return try Data(contentsOf: URL(filePath: result.path))
        }
        #expect(results[0] == results[1] && results[0] == results[2])
    }

    @Test func `the file itself, by whatever name, is not written over`() throws {
        let source = try TemporaryFile(Self.sample(.f32).bytes())
        let link = source.path + ".link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: source.path)
        defer { try? FileManager.default.removeItem(atPath: link) }
        let conversion = GGUFConversion(try GGUFFile(path: source.path), to: .q8_0)
        for path in [source.path, link] {
            let error = #expect(throws: ModelError.self) { try conversion.write(to: path, threads: 1) }
            #expect(error?.description.contains("is the file to be read") == true)
        }
        #expect(try [UInt8](Data(contentsOf: URL(filePath: source.path))) == Self.sample(.f32).bytes())
    }

    @Test func `a number that cannot be held, and a stop, leave what was there`() throws {
        var writer = Self.sample(.f32)
        writer.tensors[1].bytes.replaceSubrange(0..<4, with: GGUFWriter.little(Float.nan.bitPattern))
        let source = try TemporaryFile(writer.bytes())
        let result = try TemporaryFile([7])
        let conversion = GGUFConversion(try GGUFFile(path: source.path), to: .f16)

        #expect(throws: ModelError.unholdable(tensor: "three", type: .f16)) {
            try conversion.write(to: result.path, threads: 2)
        }
        #expect(try conversion.write(to: result.path, threads: 2) { true } == nil)
        #expect(try [UInt8](Data(contentsOf: URL(filePath: result.path))) == [7])
        #expect(!FileManager.default.fileExists(atPath: "\(result.path).\(getpid()).part"))
    }
}
