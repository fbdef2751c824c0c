import TestSupport
import Testing

@testable import Weights

/// Each class of attack that GGUF readers have fallen to, as a file of our own making: an error, never a trap.
@Suite struct HostileFileTests {
    struct Attack: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var isExpected: @Sendable (GGUFFault) -> Bool
        var testDescription: String { name }

        init(
            _ name: String, _ change: (inout GGUFWriter) -> Void, _ isExpected: @escaping @Sendable (GGUFFault) -> Bool
        ) {
            var writer = GGUFFileTests.sample()
            change(&writer)
            (self.name, self.bytes, self.isExpected) = (name, writer.bytes(), isExpected)
        }
    }

    static let attacks: [Attack] = [header, values, strings, shapes, places].flatMap { $0 }

    @Test(arguments: attacks) func `an attack is refused for what it is`(_ attack: Attack) throws {
        let source = try TemporaryFile(attack.bytes)

        let error = try #require(throws: GGUFError.self) { try GGUFFile(path: source.path) }

        #expect(attack.isExpected(error.fault), "\(error)")
        #expect(error.description.hasPrefix(source.path + ": "))
        #expect(error.description.hasSuffix("."))
        #expect(!error.description.contains("\n"))
    }

    static func exactly(_ fault: GGUFFault) -> @Sendable (GGUFFault) -> Bool { { $0 == fault } }
    static let isTruncation: @Sendable (GGUFFault) -> Bool = { if case .truncated = $0 { true } else { false } }

    static let header: [Attack] = [
        Attack("no GGUF", { $0.magic = Array("GGML".utf8) }, exactly(.notGGUF(firstBytes: Array("GGML".utf8)))),
        Attack("version 1", { $0.version = 1 }, exactly(.unsupportedVersion(1))),
        Attack("version 0", { $0.version = 0 }, exactly(.unsupportedVersion(0))),
        Attack("version 4", { $0.version = 4 }, exactly(.unsupportedVersion(4))),
        Attack("big-endian", { $0.version = 0x0300_0000 }, exactly(.bigEndian)),
        Attack(
            "metadata count 2^64 - 1", { $0.entryCount = .max },
            exactly(.tooMany(part: "metadata entries", count: .max, limit: 65_536))),
        Attack(
            "tensor count 2^64 - 1", { $0.tensorCount = .max },
            exactly(.tooMany(part: "tensors", count: .max, limit: 65_536))),
        Attack("metadata count beyond the file", { $0.entryCount = 65_536 }, isTruncation),
        Attack("tensor count beyond the file", { $0.tensorCount = 65_536 }, isTruncation),
        Attack("count off by one", { $0.tensorCount = 3 }, { _ in true }),
    ]

    static func entry(
        _ name: String, _ key: String, _ value: GGUFWriter.Value,
        _ isExpected: @escaping @Sendable (GGUFFault) -> Bool
    ) -> Attack {
        Attack(name, { $0.entries.append((key, value)) }, isExpected)
    }

    static func array(_ type: UInt32, _ count: UInt64, _ bytes: [UInt8] = []) -> GGUFWriter.Value {
        .raw(9, GGUFWriter.little(type) + GGUFWriter.little(count) + bytes)
    }

    static let values: [Attack] = [
        entry("unknown value type", "x", .raw(13, [0]), exactly(.unknownValueType(key: "x", rawValue: 13))),
        entry("unknown element type", "x", array(99, 1, [0]), exactly(.unknownValueType(key: "x", rawValue: 99))),
        entry("array of arrays", "x", array(9, 1, [UInt8](repeating: 0, count: 12)), exactly(.nestedArray(key: "x"))),
        entry("array of 2^64 - 1 bytes", "x", array(0, .max), isTruncation),
        entry(
            "array whose byte count wraps to 8", "x", array(10, 1 << 61 | 1, [0, 0, 0, 0, 0, 0, 0, 0]), isTruncation),
        entry("array of 2^61 strings", "x", array(8, 1 << 61), isTruncation),
        entry("truth value 2", "x", .bool(2), exactly(.notBoolean(key: "x", byte: 2))),
        entry("array of truth values with a 3", "x", array(7, 2, [1, 3]), exactly(.notBoolean(key: "x", byte: 3))),
        entry("a key twice", "a.u8", .uint8(1), exactly(.duplicateKey("a.u8"))),
        entry("alignment 0", "general.alignment", .uint32(0), exactly(.badAlignment(0))),
        entry("alignment 4", "general.alignment", .uint32(4), exactly(.badAlignment(4))),
        entry("alignment 48", "general.alignment", .uint32(48), exactly(.badAlignment(48))),
        entry("alignment 2^31", "general.alignment", .uint32(1 << 31), exactly(.badAlignment(1 << 31))),
        entry(
            "alignment as text", "general.alignment", .string("32"),
            exactly(.wrongValueType(key: "general.alignment", expected: "a uint32", found: "of type string"))),
    ]

    static let strings: [Attack] = [
        entry(
            "string of 2^64 - 1 bytes", "x", .raw(8, GGUFWriter.little(UInt64.max)),
            { if case .stringTooLong(_, _, .max, _) = $0 { true } else { false } }),
        entry("string beyond the file", "x", .raw(8, GGUFWriter.little(UInt64(1 << 20))), isTruncation),
        entry(
            "string over the limit", "x", .raw(8, GGUFWriter.little(UInt64(64 << 20 | 1))),
            { if case .stringTooLong = $0 { true } else { false } }),
        entry(
            "key over the limit", String(repeating: "k", count: 65_536), .uint8(1),
            {
                if case .stringTooLong("a metadata key", _, 65_536, 65_535) = $0 { true } else { false }
            }),
        entry("empty key", "", .uint8(1), { if case .emptyName = $0 { true } else { false } }),
        entry(
            "array of strings, one too long", "x", array(8, 1, GGUFWriter.little(UInt64.max)),
            {
                if case .stringTooLong = $0 { true } else { false }
            }),
    ]

    static func tensor(
        _ name: String, _ dimensions: [UInt64], type: UInt32 = 0,
        _ isExpected: @escaping @Sendable (GGUFFault) -> Bool
    ) -> Attack {
        Attack(
            name,
            { $0.tensors.append(GGUFWriter.Tensor(name: "t", dimensions: dimensions, type: type, bytes: [])) },
            isExpected)
    }

    static let intMax = UInt64(Int.max)
    static let isTooLarge: @Sendable (GGUFFault) -> Bool = { if case .tensorTooLarge = $0 { true } else { false } }

    static let shapes: [Attack] = [
        tensor("no dimension", [], exactly(.badDimensionCount(tensor: "t", count: 0))),
        tensor("five dimensions", [1, 1, 1, 1, 1], exactly(.badDimensionCount(tensor: "t", count: 5))),
        tensor("dimension 0", [32, 0], exactly(.badDimension(tensor: "t", index: 1, value: 0))),
        tensor("dimension 2^64 - 1", [.max], exactly(.badDimension(tensor: "t", index: 0, value: .max))),
        tensor("element count wraps to 0", [1 << 32, 1 << 32], isTooLarge),
        tensor("element count wraps negative", [intMax, 2, 1, 1], isTooLarge),
        tensor("byte count wraps to a small one", [1 << 62, 1], isTooLarge),
        tensor("byte count wraps in Q8_0", [1 << 62, 2], type: 8, isTooLarge),
        tensor("product of four wraps", [1 << 16, 1 << 16, 1 << 16, 1 << 16], isTooLarge),
        tensor("padding would wrap", [intMax - 3], type: 1, isTooLarge),
        tensor(
            "a row of half a block", [16], type: 8, exactly(.rowNotWholeBlocks(tensor: "t", columns: 16, type: .q8_0))),
        tensor("unsupported type", [256], type: 10, exactly(.unsupportedTensorType(tensor: "t", rawValue: 10))),
        tensor(
            "unknown type", [256], type: 4_000_000, exactly(.unsupportedTensorType(tensor: "t", rawValue: 4_000_000))),
        tensor(
            "larger than the file", [1 << 40],
            {
                if case .tensorBeyondEnd(_, _, 0x400_0000_0000, _) = $0 { true } else { false }
            }),
    ]

    static let places: [Attack] = [
        Attack("a tensor twice", { $0.tensors.append($0.tensors[0]) }, exactly(.duplicateTensor("norm"))),
        Attack(
            "a tensor over another", { $0.tensors[1].offset = 0 },
            exactly(.misplacedTensor(tensor: "blocks", offset: 0, expected: 32))),
        Attack(
            "a tensor off its alignment", { $0.tensors[1].offset = 33 },
            exactly(.misplacedTensor(tensor: "blocks", offset: 33, expected: 32))),
        Attack(
            "an offset that wraps", { $0.tensors[1].offset = .max - 31 },
            exactly(.misplacedTensor(tensor: "blocks", offset: .max - 31, expected: 32))),
        Attack(
            "bytes that belong to nobody", { $0.trailer = [1] },
            {
                if case .trailingBytes(1, _) = $0 { true } else { false }
            }),
    ]

    @Test func `an unsupported type is named`() throws {
        let attack = try #require(Self.attacks.first { $0.name == "unsupported type" })
        let source = try TemporaryFile(attack.bytes)

        let error = try #require(throws: GGUFError.self) { try GGUFFile(path: source.path) }

        #expect(error.description.contains("Q2_K"))
    }

    @Test func `text that is not UTF-8 is refused where it is used`() throws {
        var bad = GGUFFileTests.sample()
        bad.entries.append(("x", .raw(8, GGUFWriter.little(UInt64(2)) + [0xC3, 0x28])))
        let source = try TemporaryFile(bad.bytes())
        let metadata = try GGUFFile(path: source.path).metadata
        #expect(throws: GGUFError.self) { try metadata.string("x") }
        #expect(metadata.summary("x") == "(not UTF-8)")

        var bytes = GGUFFileTests.sample().bytes()
        bytes[32] = 0xFF
        let keyed = try TemporaryFile(bytes)
        let error = try #require(throws: GGUFError.self) { try GGUFFile(path: keyed.path) }
        #expect(error.fault == .notUTF8(part: "a metadata key", offset: 32))
    }

    @Test func `a name from a file cannot forge lines in a log`() {
        let fault = GGUFFault.duplicateKey("a\n\u{1B}[2Jb" + String(repeating: "x", count: 500))

        #expect(!fault.description.contains("\n"))
        #expect(!fault.description.contains("\u{1B}"))
        #expect(fault.description.count < 250)
    }

    @Test func `a file cut anywhere is an error`() throws {
        let whole = GGUFFileTests.sample().bytes()
        let source = try TemporaryFile()
        // The last bytes are the padding of the last tensor, which a writer may leave out.
        let needed = whole.count - (32 - (4 * 34) % 32) % 32

        for count in 1..<needed {
            try source.write(Array(whole[..<count]))
            #expect(throws: GGUFError.self, "\(count) bytes") { try GGUFFile(path: source.path) }
        }
        try source.write(Array(whole[..<needed]))
        #expect(throws: Never.self) { try GGUFFile(path: source.path) }
    }
}
