import Foundation
import Inference
import TestSupport
import Testing
import Text

@testable import Models
import Weights

/// Against the library `tokenizers`: Fixtures/tokenizers.json, made by make_tokenizers.py beside it.
@Suite struct TokenizerJSONTests {
    /// The fixture: models that kinds share, and what each kind makes of the same texts.
    struct Fixture {
        var texts: [String] = []
        var kinds: [(name: String, file: [String: Any], ids: [[TokenID]], begin: [TokenID])] = []

        init() throws {
            let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "Fixtures/tokenizers.json")
            let whole = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
            let bases = try #require(whole["bases"] as? [String: [String: Any]])
            texts = try #require(whole["texts"] as? [String])
            for kind in try #require(whole["kinds"] as? [[String: Any]]) {
                var model = try #require(bases[kind["base"] as? String ?? ""])
                model["ignore_merges"] = kind["ignore_merges"]
                var file = try #require(kind["changes"] as? [String: Any])
                file["model"] = model
                kinds.append(
                    (
                        try #require(kind["name"] as? String), file,
                        try #require(kind["ids"] as? [[Int]]).map { $0.map { TokenID($0) } },
                        try #require(kind["begin"] as? [Int]).map { TokenID($0) }
                    ))
            }
        }

        func folder(_ kind: String, _ change: (inout [String: Any]) throws -> Void = { _ in }) throws -> TemporaryFolder
        {
            var file = try #require(kinds.first { $0.name == kind }).file
            try change(&file)
            let folder = try TemporaryFolder()
            try folder.write("tokenizer.json", JSONSerialization.data(withJSONObject: file))
            return folder
        }
    }

    private static func spec(_ folder: TemporaryFolder, size: Int = 600) throws -> TokenizerSpec {
        try TokenizerJSON.spec(of: #require(ModelFolder(path: folder.path)), vocabularySize: size)
    }

    static let names = [
        "gpt-2", "smollm", "llama-3", "llama-3 that merges", "qwen2", "gpt-4o", "phi-4", "llama-2", "phi-3", "mistral",
        "metaspace everywhere", "metaspace nowhere", "gemma",
    ]

    @Test(arguments: names) func `texts become the tokens that the library makes of them`(_ name: String) throws {
        let fixture = try Fixture()
        let kind = try #require(fixture.kinds.first { $0.name == name })
        let tokenizer = try Tokenizer(Self.spec(fixture.folder(name)))
        try #require(kind.ids.count == fixture.texts.count && fixture.texts.count > 200)

        for (text, ids) in zip(fixture.texts, kind.ids) {
            let found = tokenizer.encode(text, parsesSpecialTokens: true, addsBOS: false)
            #expect(found == ids, "\(text.debugDescription)")
        }
        #expect(tokenizer.encode("a", parsesSpecialTokens: true, addsBOS: true) == kind.begin)
    }

    @Test(arguments: ["gpt-2", "llama-3", "gemma", "metaspace nowhere"]) func `tokens become the text again`(
        _ name: String
    ) throws {
        let fixture = try Fixture()
        let tokenizer = try Tokenizer(Self.spec(fixture.folder(name)))

        // Where spaces are written with U+2581, one in the text comes back as a space.
        for text in fixture.texts where name == "gpt-2" || name == "llama-3" || !text.contains("\u{2581}") {
            let ids = tokenizer.encode(text, parsesSpecialTokens: true, addsBOS: false)
            #expect(tokenizer.decode(ids, skipsSpecialTokens: false).utf8.elementsEqual(text.utf8))
        }
    }

    struct Change: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var kind: String
        var says: String
        var change: @Sendable (inout [String: Any]) -> Void

        init(
            _ name: String, of kind: String = "llama-3", says: String,
            _ change: @escaping @Sendable (inout [String: Any]) -> Void
        ) {
            (testDescription, self.kind, self.says, self.change) = (name, kind, says, change)
        }
    }

    private static func inModel(_ key: String, _ value: any Sendable) -> @Sendable (inout [String: Any]) -> Void {
        { file in
            var model = file["model"] as? [String: Any] ?? [:]
            model[key] = value
            file["model"] = model
        }
    }

    private static func inFirstToken(_ key: String, _ value: any Sendable) -> @Sendable (inout [String: Any]) -> Void {
        { file in
            var tokens = file["added_tokens"] as? [[String: Any]] ?? []
            tokens[0][key] = value
            file["added_tokens"] = tokens
        }
    }

    static let changes: [Change] = [
        Change("another model", says: "(Unigram)", inModel("type", "Unigram")),
        Change("dropout", says: "dropout", inModel("dropout", 0.1)),
        Change("a prefix of pieces", says: "continuing_subword_prefix", inModel("continuing_subword_prefix", "##")),
        Change("an id too large", says: "has the id 700", inModel("vocab", ["a": 700])),
        Change("an id twice", says: "same id", inModel("vocab", ["a": 7, "b": 7])),
        Change("an id that is none", says: "no whole number", inModel("vocab", ["a": -1])),
        Change("no merges", says: "no merges", inModel("merges", 1)),
        Change("a merge of one", says: "merge 0", inModel("merges", [["a"]])),
        Change("bytes beside bytes", says: "byte_fallback", inModel("byte_fallback", true)),
        Change("no fallback", of: "gemma", says: "byte_fallback", inModel("byte_fallback", false)),
        Change("a token of single words", says: "single_word", inFirstToken("single_word", true)),
        Change("a token in normalized text", of: "qwen2", says: "normalized", inFirstToken("normalized", true)),
        Change("another normalizer", says: "Lowercase") { $0["normalizer"] = ["type": "Lowercase"] },
        Change("another normalizer of characters", of: "gemma", says: "NFKC") { $0["normalizer"] = ["type": "NFKC"] },
        Change("another expression", says: "\\w+") { file in
            let split: [String: Any] = ["type": "Split", "pattern": ["Regex": "\\w+"], "behavior": "Isolated"]
            file["pre_tokenizer"] = [
                "type": "Sequence", "pretokenizers": [split, ["type": "ByteLevel", "use_regex": false]],
            ]
        },
        Change("a space in front", says: "adds spaces") {
            $0["pre_tokenizer"] = ["type": "ByteLevel", "add_prefix_space": true]
        },
        Change("words of Whitespace", of: "gemma", says: "Whitespace") { $0["pre_tokenizer"] = ["type": "Whitespace"] },
        Change("spaces as they are", of: "llama-2", says: "spaces as they are") { $0["normalizer"] = NSNull() },
        Change("another decoder", says: "WordPiece") { $0["decoder"] = ["type": "WordPiece"] },
        Change("another post-processor", says: "RobertaProcessing") {
            $0["post_processor"] = ["type": "RobertaProcessing"]
        },
        Change("a token behind", says: "more around a text") { file in
            let token = ["SpecialToken": ["id": "<s>"]]
            file["post_processor"] = [
                "type": "TemplateProcessing", "single": [["Sequence": ["id": "A"]], token],
            ]
        },
    ]

    @Test(arguments: changes) func `what is not read is refused by name`(_ change: Change) throws {
        let folder = try Fixture().folder(change.kind, change.change)

        let error = try #require(throws: TokenizerError.self) { try Self.spec(folder) }

        #expect("\(error)".contains(change.says), "\(error)")
        #expect("\(error)".hasSuffix("."))
    }

    @Test func `begin, ends and template come from the files beside it`() throws {
        let folder = try Fixture().folder("qwen2")
        try folder.write(
            "tokenizer_config.json",
            Data(
                #"{"bos_token":{"content":"<|user|>"},"eos_token":"<|end|>","add_bos_token":true,"chat_template":"#
                    .utf8) + Data(#"[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}"#.utf8))
        try folder.write("config.json", Data(#"{"eos_token_id":1}"#.utf8))
        let first = try Self.spec(folder)
        try folder.write("generation_config.json", Data(#"{"eos_token_id":[3,5]}"#.utf8))
        try folder.write("chat_template.jinja", Data("{{ x }}".utf8))
        let second = try Self.spec(folder)

        let user = try #require(first.tokens.firstIndex(of: "<|user|>"))
        let end = try #require(first.tokens.firstIndex(of: "<|end|>"))
        #expect(first.bosToken == TokenID(user) && first.addsBOS && first.eosToken == TokenID(end))
        #expect(first.endOfTurnTokens == [1] && first.chatTemplate == "d")
        #expect(second.endOfTurnTokens == [3, 5] && second.chatTemplate == "{{ x }}")
        #expect(try Tokenizer(second).endTokens == [3, 5, TokenID(end)])
        // Rows of the embedding that no token stands for are text for nobody.
        #expect(second.tokens.count == 600 && second.tokens[599] == "" && second.tokenKinds[599] == .unused)
    }

    static let configs: [(text: String, says: String)] = [
        (#"{"eos_token":"nope"}"#, "eos_token"), (#"{"bos_token":7}"#, "bos_token"),
        (#"{"add_bos_token":true}"#, "add_bos_token"), (#"{"add_eos_token":true}"#, "add_eos_token"),
        (#"{"chat_template":[{"name":"rag","template":"x"}]}"#, "called default"),
        (#"{"chat_template":1}"#, "chat_template"), ("[]", "no object"), ("{", "not valid JSON"),
    ]

    @Test(arguments: configs.indices) func `a tokenizer_config that cannot be meant is refused`(_ index: Int) throws {
        let folder = try Fixture().folder("qwen2")
        try folder.write("tokenizer_config.json", Data(Self.configs[index].text.utf8))

        let error = try #require(throws: TokenizerError.self) { try Self.spec(folder) }

        #expect("\(error)".contains(Self.configs[index].says), "\(error)")
    }
}
