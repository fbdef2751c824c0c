import Foundation
import TestSupport
import Testing

@testable import Weights

@Suite struct SafetensorsTests {
    static func file(_ header: String, data: [UInt8], length: UInt64? = nil) -> [UInt8] {
        GGUFWriter.little(length ?? UInt64(header.utf8.count)) + Array(header.utf8) + data
    }

    static let entries =
        #""a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"#
        + #""ids":{"dtype":"I64","shape":[1,1],"data_offsets":[32,40]},"h":{"dtype":"F16","shape":[1,2],"#
        + #""data_offsets":[40,44]},"none":{"dtype":"F32","shape":[0],"data_offsets":[44,44]}"#
    static let data: [UInt8] =
        (0..<6).flatMap { GGUFWriter.little(Float($0).bitPattern) } + [0x80, 0x3F, 0, 0x40, 0, 0, 0x80, 0xBF]
        + [1, 0, 0, 0, 0, 0, 0, 0] + GGUFWriter.little(Float16(0.5).bitPattern)
        + GGUFWriter.little(Float16(-2).bitPattern)
    static let good = file(#"{"__metadata__":{"format":"pt"},\#(entries)}   "#, data: data)

    @Test func `a sound file's tensors are found, with their numbers`() throws {
        let source = try TemporaryFile(Self.good)
        let file = try SafetensorsFile(path: source.path)

        #expect(file.tensors.keys.sorted() == ["a", "b", "h"])
        #expect(file.otherTypes == ["ids": "I64", "none": "F32"])
        let a = try #require(file.tensor(named: "a"))
        #expect(a.dimensions == [3, 2] && a.type == .f32 && a.columnCount == 3)
        #expect(file.values(of: a) == [0, 1, 2, 3, 4, 5])
        #expect(file.values(of: try #require(file.tensor(named: "b"))) == [1, 2, 0, -1])
        #expect(file.values(of: try #require(file.tensor(named: "h"))) == [0.5, -2])
        #expect(file.tensor(named: "ids") == nil)
    }

    struct Attack: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var bytes: [UInt8]
        var isExpected: @Sendable (SafetensorsFault) -> Bool

        init(_ name: String, _ bytes: [UInt8], _ isExpected: @escaping @Sendable (SafetensorsFault) -> Bool) {
            (testDescription, self.bytes, self.isExpected) = (name, bytes, isExpected)
        }

        /// A file of one entry.
        init(_ entry: String, data: Int = 8, _ isExpected: @escaping @Sendable (SafetensorsFault) -> Bool) {
            self.init(
                entry, SafetensorsTests.file("{\"x\":\(entry)}", data: [UInt8](repeating: 0, count: data)), isExpected)
        }
    }

    static let isBadEntry: @Sendable (SafetensorsFault) -> Bool = { if case .badEntry = $0 { true } else { false } }
    static let isWrongCount: @Sendable (SafetensorsFault) -> Bool = {
        if case .wrongByteCount = $0 { true } else { false }
    }
    static let isBeyond: @Sendable (SafetensorsFault) -> Bool = {
        if case .tensorBeyondEnd = $0 { true } else { false }
    }
    static let isMisplaced: @Sendable (SafetensorsFault) -> Bool = {
        if case .misplacedTensor = $0 { true } else { false }
    }
    static let isTruncated: @Sendable (SafetensorsFault) -> Bool = { if case .truncated = $0 { true } else { false } }
    static let isNotJSON: @Sendable (SafetensorsFault) -> Bool = { if case .notJSON = $0 { true } else { false } }

    static let attacks: [Attack] = [
        Attack("seven bytes", [1, 2, 3, 4, 5, 6, 7], isTruncated),
        Attack("a length beyond the file", file("{}", data: [], length: 3), isTruncated),
        Attack("a length of 2^64 - 1", file("{}", data: [], length: .max)) {
            $0 == .headerTooLong(byteCount: .max, limit: 100_000_000)
        },
        Attack("no JSON", file("PK\u{3}", data: [])) { $0 == .notSafetensors(firstByte: 80) },
        Attack("broken JSON", file("{\"a\":", data: []), isNotJSON),
        Attack("text behind the JSON", file("{}x", data: []), isNotJSON),
        Attack("a name twice", file("{\(entries),\"a\":{}}", data: data), isNotJSON),
        Attack("lists without end", file("{\"a\":" + String(repeating: "[", count: 90), data: []), isNotJSON),
        Attack("an entry that is a number", file("{\"a\":7}", data: []), isBadEntry),
        Attack("bytes behind the last tensor", good + [0]) { $0 == .trailingBytes(count: 1) },
        Attack("a file cut short", good.dropLast().map { $0 }, isBeyond),
        Attack("{}", isBadEntry), Attack(#"{"dtype":1,"shape":[2],"data_offsets":[0,8]}"#, isBadEntry),
        Attack(#"{"dtype":"F32","shape":2,"data_offsets":[0,8]}"#, isBadEntry),
        Attack(#"{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#, isBadEntry),
        Attack(#"{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}"#, isBadEntry),
        Attack(#"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#, isBadEntry),
        Attack(#"{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}"#, isBadEntry),
        Attack(#"{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}"#, isBadEntry),
        Attack(#"{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}"#, isBadEntry),
        Attack(#"{"dtype":"F32","shape":[3],"data_offsets":[0,8]}"#, isWrongCount),
        Attack(#"{"dtype":"F16","shape":[2],"data_offsets":[0,8]}"#, isWrongCount),
        Attack(
            #"{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,8]}"#, isWrongCount),
        Attack(#"{"dtype":"F33","shape":[2],"data_offsets":[0,8]}"#) { $0 == .unknownType(tensor: "x", type: "F33") },
        Attack(#"{"dtype":"F32","shape":[2],"data_offsets":[4,12]}"#, data: 12, isMisplaced),
        Attack(#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, data: 4, isBeyond),
        Attack(
            "two tensors on the same bytes",
            file(
                #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
                data: [UInt8](repeating: 0, count: 12)), isMisplaced),
    ]

    @Test(arguments: attacks) func `an attack is refused for what it is`(_ attack: Attack) throws {
        let source = try TemporaryFile(attack.bytes)

        let error = try #require(throws: SafetensorsError.self) { try SafetensorsFile(path: source.path) }

        #expect(attack.isExpected(error.fault), "\(error)")
        #expect(error.description.hasPrefix(source.path + ": "))
        #expect(error.description.hasSuffix("."))
    }

    @Test func `what is no file is refused too`() {
        #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: "/nowhere") }
        #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: "/tmp") }
    }

    @Test(arguments: [UInt64(1), 2]) func `no mutant of a file traps the reader`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let source = try TemporaryFile()
        var accepted = 0

        for _ in 0..<3_000 {
            try source.write(MutationTests.mutant(of: Self.good, using: &random))
            guard let file = try? SafetensorsFile(path: source.path) else { continue }
            accepted += 1
            for tensor in file.tensors.values {
                #expect(file.values(of: tensor).count == tensor.columnCount * tensor.rowCount)
            }
        }

        #expect(accepted > 50 && accepted < 2_900)
    }
}
