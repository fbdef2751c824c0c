import Testing

@testable import Text

@Suite struct PreTokenizerTests {
    /// A row of Tests/Fixtures/words.json, made by make_words.py beside it.
    private struct Row: Decodable {
        var text: String
        /// For each pre-tokenizer the lengths of its words in bytes.
        var lengths: [String: [Int]]
    }

    @Test(arguments: ["gpt-2", "smollm", "llama-bpe", "qwen2", "gpt-4o", "default"])
    func `text is cut where the published expression cuts it`(name: String) throws {
        let preTokenizer = try PreTokenizer(named: name)
        let rows = try Fixture.load([Row].self, "words.json")
        #expect(rows.count > 200)

        for row in rows {
            var lengths: [Int] = []
            preTokenizer.split(Array(row.text.utf8)[...]) { lengths.append($0.count) }
            #expect(lengths == row.lengths[name], "\(row.text.debugDescription)")
        }
    }

    @Test func `aliases mean the same`() throws {
        for (alias, name) in [
            ("llama3", "llama-bpe"), ("llama-v3", "llama-bpe"), ("gpt2", "gpt-2"), ("phi-2", "gpt-2"),
            ("smaug-bpe", "dbrx"), ("deepseek-r1-qwen", "qwen2"),
        ] {
            #expect(try PreTokenizer(named: alias) == PreTokenizer(named: name))
        }
    }

    @Test func `only Llama 3 takes whole words`() throws {
        let (llama, other) = (try PreTokenizer(named: "llama-bpe"), try PreTokenizer(named: "dbrx"))
        #expect(llama.takesWholeWords && !other.takesWholeWords)
        for row in try Fixture.load([Row].self, "words.json") {
            var lengths: [Int] = []
            other.split(Array(row.text.utf8)[...]) { lengths.append($0.count) }
            #expect(lengths == row.lengths["llama-bpe"])
        }
    }

    @Test(arguments: ["", "deepseek-llm", "GPT-2", "tekken"])
    func `an unknown pre-tokenizer is refused by name, with the known ones`(name: String) throws {
        let error = #expect(throws: TokenizerError.self) { try PreTokenizer(named: name) }

        guard case .unsupportedPreTokenizer(name, let supported)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        for known in ["gpt-2", "smollm", "llama-bpe", "qwen2"] { #expect(supported.contains(known)) }
    }
}
