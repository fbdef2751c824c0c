import Models
import TestSupport
import Testing
import Text
import Weights

@Suite struct GGUFTokenizerTests {
    private typealias Entries = [(key: String, value: GGUFWriter.Value)]

    private static let bytePair: [(key: String, value: GGUFWriter.Value)] = [
        ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string("llama-bpe")),
        ("tokenizer.ggml.tokens", .strings(["a", "b", "ab", "<|end|>"])),
        ("tokenizer.ggml.token_type", .ints([1, 1, 1, 3])), ("tokenizer.ggml.merges", .strings(["a b"])),
    ]
    private static let sentencePiece: [(key: String, value: GGUFWriter.Value)] = [
        ("tokenizer.ggml.model", .string("llama")),
        ("tokenizer.ggml.tokens", .strings(["<unk>", "<s>", "</s>", "<0x0A>", "▁a"])),
        ("tokenizer.ggml.token_type", .ints([2, 3, 3, 6, 1])),
        ("tokenizer.ggml.scores", .floats([0, 0, 0, 0, -1])),
    ]

    /// - Parameter changes: replace keys, or add them; a nil value removes one.
    private func spec(
        _ entries: Entries, _ changes: [(String, GGUFWriter.Value?)] = []
    ) throws -> TokenizerSpec {
        var writer = GGUFWriter()
        writer.entries = entries
        for (name, value) in changes {
            let key = "tokenizer." + name
            writer.entries.removeAll { $0.key == key }
            if let value { writer.entries.append((key, value)) }
        }
        let file = try TemporaryFile(writer.bytes())
        return try TokenizerSpec(metadata: try GGUFFile(path: file.path).metadata)
    }

    @Test func `missing keys have the values that other programs assume`() throws {
        let bytePair = try spec(Self.bytePair)
        #expect(bytePair.kind == .bytePairEncoding)
        #expect(bytePair.addsBOS && !bytePair.addsEOS && !bytePair.addsSpacePrefix)
        #expect(bytePair.bosToken == nil && bytePair.eosToken == nil && bytePair.unknownToken == nil)
        #expect(try Tokenizer(bytePair).endTokens == [3])
        #expect(try !spec(Self.bytePair, [("ggml.pre", .string("qwen2"))]).addsBOS)
        #expect(
            try spec(Self.bytePair, [("ggml.token_type", nil)]).tokenKinds == [.normal, .normal, .normal, .normal])

        #expect(try spec(Self.sentencePiece + [("general.architecture", .string("phi3"))]).spaceTakingTokens == [2])
        let sentencePiece = try spec(Self.sentencePiece)
        #expect(sentencePiece.preTokenizer == "" && sentencePiece.spaceTakingTokens.isEmpty)
        #expect(sentencePiece.kind == .sentencePiece)
        #expect(sentencePiece.addsBOS && !sentencePiece.addsEOS && sentencePiece.addsSpacePrefix)
        #expect(sentencePiece.bosToken == 1 && sentencePiece.eosToken == 2 && sentencePiece.unknownToken == 0)
        #expect(try Tokenizer(sentencePiece).encode(" a\n", parsesSpecialTokens: true, addsBOS: true) == [1, 0, 4, 3])
    }

    @Test func `keys that are there are taken`() throws {
        let spec = try spec(
            Self.bytePair,
            [
                ("ggml.bos_token_id", .uint32(0)), ("ggml.eos_token_id", .int32(1)),
                ("ggml.unknown_token_id", .uint64(2)),
                ("ggml.eot_token_id", .uint32(2)), ("ggml.eom_token_id", .int32(-1)), ("ggml.add_bos_token", .bool(0)),
                ("ggml.add_eos_token", .bool(1)), ("ggml.add_space_prefix", .bool(1)),
                ("chat_template", .string("{{ 1 }}")),
            ])

        #expect(spec.bosToken == 0 && spec.eosToken == 1 && spec.unknownToken == 2 && spec.endOfTurnTokens == [2])
        #expect(!spec.addsBOS && spec.addsEOS && spec.addsSpacePrefix && spec.chatTemplate == "{{ 1 }}")
        #expect(try Tokenizer(spec).endTokens == [1, 2, 3])
    }

    @Test func `tokens for filling in have two names each`() throws {
        let new: [(String, GGUFWriter.Value?)] = [
            ("ggml.fim_pre_token_id", .uint32(0)), ("ggml.fim_suf_token_id", .uint32(1)),
            ("ggml.fim_mid_token_id", .int32(2)),
        ]
        let old: [(String, GGUFWriter.Value?)] = [
            ("ggml.prefix_token_id", .uint32(2)), ("ggml.suffix_token_id", .uint32(1)),
            ("ggml.middle_token_id", .uint32(0)),
        ]
        #expect(try spec(Self.bytePair, new + old).infillTokens == InfillTokens(prefix: 0, suffix: 1, middle: 2))
        #expect(try spec(Self.bytePair, old).infillTokens == InfillTokens(prefix: 2, suffix: 1, middle: 0))
        #expect(try spec(Self.bytePair, Array(old.dropLast())).infillTokens == nil)
        #expect(throws: TokenizerError.self) {
            try spec(Self.bytePair, new + [("ggml.fim_mid_token_id", .uint32(4))])
        }
    }

    private static let damages: [(String, GGUFWriter.Value?)] = [
        ("ggml.model", nil), ("ggml.model", .string("bert")), ("ggml.model", .uint32(1)), ("ggml.tokens", nil),
        ("ggml.tokens", .ints([1])), ("ggml.tokens", .string("a")), ("ggml.merges", nil), ("ggml.merges", .ints([1])),
        ("ggml.merges", .strings(["a zz"])), ("ggml.merges", .strings(["ab"])), ("ggml.token_type", .ints([1, 1, 1])),
        ("ggml.token_type", .ints([1, 1, 1, 7])), ("ggml.token_type", .ints([1, 1, 1, -1])),
        ("ggml.token_type", .ints([1, 1, 1, 257])), ("ggml.token_type", .floats([1, 1, 1, 1])),
        ("ggml.token_type", .strings(["1", "1", "1", "1"])), ("ggml.bos_token_id", .uint32(4)),
        ("ggml.bos_token_id", .uint32(0x8000_0000)), ("ggml.eos_token_id", .int32(-2)),
        ("ggml.eos_token_id", .uint64(1 << 40)),
        ("ggml.eos_token_id", .float(1)), ("ggml.eot_token_id", .uint32(99)), ("ggml.unknown_token_id", .string("0")),
        ("ggml.add_bos_token", .uint8(1)), ("ggml.add_space_prefix", .string("true")), ("chat_template", .uint32(1)),
        ("ggml.pre", nil), ("ggml.pre", .string("unheard-of")), ("ggml.pre", .uint32(1)),
    ]

    @Test(arguments: damages.indices) func `a wrong key is refused with a sentence`(index: Int) {
        let (name, value) = Self.damages[index]

        let error = #expect(throws: TokenizerError.self, "\(name)") {
            try Tokenizer(try spec(Self.bytePair, [(name, value)]))
        }

        switch error {
        case .malformed(let sentence): #expect(sentence.count > 20)
        case .unsupportedPreTokenizer(_, let supported): #expect(name == "ggml.pre" && supported.contains("qwen2"))
        case nil: break
        }
    }

    private static let sentencePieceDamages: [(String, GGUFWriter.Value?)] = [
        ("ggml.scores", nil), ("ggml.scores", .floats([0, 0, 0, 0])), ("ggml.scores", .ints([0, 0, 0, 0, 0])),
        // Scores declared as one-byte integers, which a careless reader takes for 32-bit floats.
        ("ggml.scores", .raw(9, [1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5])), ("ggml.token_type", nil),
        ("ggml.tokens", .strings(["<unk>", "<s>", "</s>", "<0x0>", "▁a"])),
        ("ggml.tokens", .strings(["<unk>", "<s>", "</s>", "<0x0A>", String(repeating: "x", count: 5000)])),
    ]

    @Test(arguments: sentencePieceDamages.indices)
    func `a wrong key of a SentencePiece model is refused with a sentence`(index: Int) {
        let (name, value) = Self.sentencePieceDamages[index]

        #expect(throws: TokenizerError.self, "\(name)") {
            try Tokenizer(try spec(Self.sentencePiece, [(name, value)]))
        }
    }
}
