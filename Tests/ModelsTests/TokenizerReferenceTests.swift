import Foundation
import Models
import Testing
import Text
import Weights

/// The real model's tokenizer and template against tokenizations and renderings made by other programs
/// (Tests/Fixtures/reference/README.md says how).
@Suite struct TokenizerReferenceTests {
    @Test func `every reference text gives the reference's tokens`() throws {
        let tokenizer = try Reference.tokenizer()

        for entry in try Reference.load([TokenizedText].self, "tokenize.json") {
            let parsed = tokenizer.encode(entry.text, parsesSpecialTokens: true, addsBOS: true)
            let plain = tokenizer.encode(entry.text, parsesSpecialTokens: false, addsBOS: true)
            #expect(parsed == entry.ids, "\(entry.text.debugDescription)")
            #expect(plain == entry.ids_no_special, "\(entry.text.debugDescription)")
        }
    }

    @Test func `decoding the reference's tokens gives the text back, whole and one by one`() throws {
        let tokenizer = try Reference.tokenizer()

        for entry in try Reference.load([TokenizedText].self, "tokenize.json") {
            for ids in [entry.ids, entry.ids_no_special] {
                var detokenizer = IncrementalDetokenizer(tokenizer, skipsSpecialTokens: false)
                let increments = ids.map { detokenizer.append($0) }.joined() + detokenizer.finish()
                #expect(tokenizer.decode(ids, skipsSpecialTokens: false) == entry.text)
                #expect(increments == entry.text)
            }
        }
    }

    @Test func `every reference chat is rendered and tokenized as the reference has it`() throws {
        let tokenizer = try Reference.tokenizer()
        let template = try Reference.template(tokenizer)

        for (name, chat) in try Reference.load([String: Chat].self, "chat.json") {
            let messages = chat.messages.map { ChatMessage(role: $0.role, content: $0.content) }
            let rendered = try template.render(messages, addsGenerationPrompt: true)
            #expect(rendered == chat.rendered, "\(name)")
            let ids = tokenizer.encode(rendered, parsesSpecialTokens: true, addsBOS: true)
            #expect(ids == chat.ids, "\(name)")
        }
    }

    @Test func `the file's end tokens are known, and its BOS is not put in front`() throws {
        let tokenizer = try Reference.tokenizer()

        // <|endoftext|> and <|im_end|>
        #expect(tokenizer.endTokens == [0, 2])
        #expect(tokenizer.encode("Hello", parsesSpecialTokens: true, addsBOS: true) == [19556])
        #expect(tokenizer.vocabularySize == 49152)
        #expect(tokenizer.isSpecial(2) && !tokenizer.isSpecial(19556))
    }
}

private struct TokenizedText: Decodable {
    var text: String
    var ids: [Int32]
    var ids_no_special: [Int32]
}

private struct Chat: Decodable {
    struct Message: Decodable {
        var role: String
        var content: String
    }
    var messages: [Message]
    var rendered: String
    var ids: [Int32]
}

private enum Reference {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func load<T: Decodable>(_: T.Type, _ name: String) throws -> T {
        let file = root.appending(path: "Tests/Fixtures/reference/\(name)")
        return try JSONDecoder().decode(T.self, from: try Data(contentsOf: file))
    }

    static func tokenizer() throws -> Tokenizer {
        let path =
            ProcessInfo.processInfo.environment["APUS_TEST_MODEL"]
            ?? root.appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path
        try #require(FileManager.default.fileExists(atPath: path), "\(path) is missing: run `make model` once.")
        return try Tokenizer(try TokenizerSpec(metadata: try GGUFFile(path: path).metadata))
    }

    static func template(_ tokenizer: Tokenizer) throws -> ChatTemplate {
        let source = try #require(tokenizer.spec.chatTemplate)
        func text(_ token: Int32?) -> String { token.map { tokenizer.spec.tokens[Int($0)] } ?? "" }
        return try ChatTemplate(
            source: source, bosToken: text(tokenizer.spec.bosToken), eosToken: text(tokenizer.spec.eosToken))
    }
}
