import FoundationEssentials
import SwiftProtobuf
import Testing
import Text

@testable import WorkerProtocol

@Suite struct TokenizerTransferTests {
    static let spec = TokenizerSpec(
        kind: .bytePairEncoding, preTokenizer: "gpt-2", tokens: ["a", "b"], tokenKinds: [.normal, .byte])

    static func chunk(_ data: [UInt8], total: Int) -> [UInt8] {
        var chunk = WireTokenizerChunk()
        chunk.totalBytes = UInt64(total)
        chunk.data = Data(data)
        return chunk.encoded()
    }

    @Test func `a tokenizer cut short is refused`() throws {
        let whole = Self.spec.wire.encoded()
        var assembly = TokenizerTransfer.Assembly()
        try assembly.add(bytes: Self.chunk(Array(whole.dropLast()), total: whole.count).span.bytes)

        #expect(throws: WireError.incompleteTokenizer(byteCount: whole.count - 1, expected: whole.count)) {
            try assembly.finish()
        }
        #expect(throws: WireError.self) { try TokenizerTransfer.Assembly().finish() }
    }

    @Test func `more than announced is refused, and what was taken stays`() throws {
        let whole = Self.spec.wire.encoded()
        var assembly = TokenizerTransfer.Assembly()
        try assembly.add(bytes: Self.chunk(whole, total: whole.count).span.bytes)

        #expect(throws: WireError.self) { try assembly.add(bytes: Self.chunk([1], total: whole.count).span.bytes) }
        #expect(throws: WireError.self) { try assembly.add(bytes: Self.chunk([], total: whole.count + 1).span.bytes) }
        #expect(try assembly.finish() == Self.spec)
    }

    @Test(arguments: [0, WireLimits.tokenizerByteMax + 1]) func `a total beyond belief is refused`(total: Int) {
        var assembly = TokenizerTransfer.Assembly()

        #expect(throws: WireError.self) { try assembly.add(bytes: Self.chunk([1], total: total).span.bytes) }
    }

    static let breaks: [(String, @Sendable (inout WireTokenizer) -> Void)] = [
        ("tokenizer.tokens", { $0.tokens = [] }),
        ("tokenizer.token_kinds", { $0.tokenKinds = Data([1]) }),
        ("tokenizer.token_kinds", { $0.tokenKinds = Data([1, 9]) }),
        ("tokenizer.scores", { $0.scores = [1] }),
        ("tokenizer.scores", { $0.scores = [1, .nan] }),
        ("tokenizer.kind", { $0.kind = .unspecified }),
        ("tokenizer.kind", { $0.kind = .UNRECOGNIZED(12) }),
        ("tokenizer.bos_token", { $0.bosToken = 2 }),
        ("tokenizer.eos_token", { $0.eosToken = .max }),
        ("tokenizer.unknown_token", { $0.unknownToken = 99 }),
        ("tokenizer.infill_tokens.middle", { $0.infillTokens.middle = 2 }),
        ("tokenizer.end_of_turn_tokens", { $0.endOfTurnTokens = [0, 2] }),
        ("tokenizer.space_taking_tokens", { $0.spaceTakingTokens = [2] }),
        ("tokenizer.tokens_taking_space_before", { $0.tokensTakingSpaceBefore = [2] }),
        ("tokenizer.space_prefix_place", { $0.spacePrefixPlace = 4 }),
    ]

    @Test(arguments: breaks.indices) func `a tokenizer that contradicts itself is refused`(index: Int) throws {
        let (field, change) = Self.breaks[index]
        var wire = Self.spec.wire
        change(&wire)
        let whole = wire.encoded()
        var assembly = TokenizerTransfer.Assembly()
        try assembly.add(bytes: Self.chunk(whole, total: whole.count).span.bytes)

        do {
            _ = try assembly.finish()
            Issue.record("\(field) was taken")
        } catch {
            #expect(error.description.contains(field))
        }
    }
}
