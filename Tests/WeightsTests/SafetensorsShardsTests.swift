import Foundation
import TestSupport
import Testing

@testable import Weights

/// Weights in several files, and indexes that are not to be trusted.
@Suite struct SafetensorsShardsTests {
    private static func writer() -> SafetensorsWriter {
        SafetensorsWriter((0..<5).map { .init("t\($0)", [2], floats: [Float($0), -Float($0)]) })
    }

    private static func folder(shardCount: Int) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try writer().write(to: folder, shardCount: shardCount)
        return folder
    }

    private static func open(_ folder: TemporaryFolder) throws -> SafetensorsShards {
        try SafetensorsShards(try #require(ModelFolder(path: folder.path)))
    }

    @Test(arguments: [0, 1, 2, 5]) func `each tensor comes from its own file`(shardCount: Int) throws {
        let folder = try Self.folder(shardCount: shardCount)
        let shards = try Self.open(folder)

        #expect(shards.files.count == max(1, shardCount))
        #expect(shards.names.sorted() == (0..<5).map { "t\($0)" })
        for number in 0..<5 {
            let tensor = try #require(shards.tensor(named: "t\(number)"))
            #expect(shards.values(of: tensor) == [Float(number), -Float(number)])
        }
    }

    @Test func `every shard counts for the digest`() throws {
        let folder = try Self.folder(shardCount: 2)
        let before = try Self.open(folder).contentDigest()
        var changed = Self.writer()
        changed.tensors[3].bytes[0] ^= 1
        try changed.write(to: folder, shardCount: 2)

        #expect(try Self.open(folder).contentDigest() != before)
    }

    static let indexes: [(json: String, says: String)] = [
        (#"{"weight_map":{"t0":"../model-0.safetensors"}}"#, "no name of a *.safetensors file of this folder"),
        (#"{"weight_map":{"t0":"/etc/model.safetensors"}}"#, "no name of a *.safetensors file of this folder"),
        (#"{"weight_map":{"t0":"sub/model.safetensors"}}"#, "no name of a *.safetensors file of this folder"),
        (#"{"weight_map":{"t0":"..safetensors"}}"#, "no name of a *.safetensors file of this folder"),
        (#"{"weight_map":{"t0":"model-0.safetensors\u0000"}}"#, "no name of a *.safetensors file of this folder"),
        (#"{"weight_map":{"t0":"passwd"}}"#, "no name of a *.safetensors file of this folder"),
        (#"{"weight_map":{"t0":7}}"#, "is a number"), (#"{"weight_map":{}}"#, "no weight_map"), ("[]", "no weight_map"),
        ("{", "not valid JSON"), (#"{"weight_map":{"t0":"model-9.safetensors"}}"#, "cannot be read"),
        (#"{"weight_map":{"t0":"model-0.safetensors"}}"#, "where the index does not have it"),
        (
            #"{"weight_map":{"t0":"model-0.safetensors","t2":"model-0.safetensors","t4":"model-0.safetensors","#
                + #""t9":"model-0.safetensors"}}"#, "lacks the tensor \"t9\""
        ),
    ]

    @Test(arguments: indexes.indices) func `an index that leads elsewhere or says what is not so is refused`(
        index: Int
    ) throws {
        let folder = try Self.folder(shardCount: 2)
        try folder.write("model.safetensors.index.json", Data(Self.indexes[index].json.utf8))

        let error = try #require(throws: SafetensorsError.self) { try Self.open(folder) }

        #expect("\(error)".contains(Self.indexes[index].says), "\(error)")
        #expect("\(error)".hasSuffix("."))
    }

    @Test func `a folder without weights says so`() throws {
        let error = try #require(throws: SafetensorsError.self) { try Self.open(TemporaryFolder()) }

        #expect("\(error)".contains("no model.safetensors beside it"))
    }
}
