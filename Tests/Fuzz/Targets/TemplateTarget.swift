import Text

/// A model's chat template, and behind a NUL what a user says.
enum TemplateTarget {
    static func run(_ bytes: [UInt8]) -> String? {
        let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        let source = String(decoding: parts[0], as: UTF8.self)
        guard let template = try? ChatTemplate(source: source, bosToken: "<s>", eosToken: "</s>") else { return nil }
        var called = ChatMessage(role: "assistant", content: nil)
        called.toolCalls = [
            ToolCall(
                id: "call-1", name: "weather", arguments: .mapping([.init(key: "city", value: .string("Köln"))]))
        ]
        var answered = ChatMessage(role: "tool", content: "rain")
        answered.toolCallID = "call-1"
        let said = parts.count == 2 ? String(decoding: parts[1], as: UTF8.self) : "Hello"
        let tool = TemplateValue.mapping([
            .init(key: "name", value: .string("weather")),
            .init(key: "parameters", value: .list([.integer(1), .number(-0.5), .boolean(true), .none])),
        ])
        let messages = [
            ChatMessage(role: "system", content: "Be brief."), ChatMessage(role: "user", content: said), called,
            answered,
        ]
        let first = try? template.render(
            messages, addsGenerationPrompt: true, variables: ["tools": .list([tool])],
            now: TemplateTime(year: 2024, month: 2, day: 29, hour: 23, minute: 59, second: 58))
        return first.map { $0.utf8.count <= 4 << 20 } ?? true ? nil : "the text is longer than the limit"
    }
}
