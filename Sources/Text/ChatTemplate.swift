/// One message of a chat, as templates see it.
package struct ChatMessage: Equatable, Sendable {
    package var role: String
    /// nil where an assistant only called tools.
    package var content: String?
    package var name: String?
    /// What the assistant called.
    package var toolCalls: [ToolCall]
    /// Of a tool's message: the call that it answers.
    package var toolCallID: String?

    @inlinable package init(
        role: String, content: String?, name: String? = nil, toolCalls: [ToolCall] = [], toolCallID: String? = nil
    ) {
        self.role = role
        self.content = content
        self.name = name
        self.toolCalls = toolCalls
        self.toolCallID = toolCallID
    }
}

/// A call of a tool in an earlier message.
package struct ToolCall: Equatable, Sendable {
    package var id: String
    package var name: String
    package var arguments: TemplateValue

    package init(id: String, name: String, arguments: TemplateValue) {
        self.id = id
        self.name = name
        self.arguments = arguments
    }
}

package enum ChatTemplateError: Error, Equatable, Sendable {
    /// The template cannot be parsed, or uses what Apus does not know.
    case unsupported(String)
    /// The template itself refused the messages (`raise_exception`).
    case refused(String)
    /// Depth, steps or output passed the limit that the text names.
    case limitExceeded(String)

    package var sentence: String {
        switch self {
        case .unsupported(let text), .refused(let text), .limitExceeded(let text): text
        }
    }
}

/// A chat template of the Jinja subset that model files use. Immutable; bounded in depth, steps and output
/// (`TemplateLimits`), so that no template can hang, trap or use up the stack.
///
/// Values are data: there is nothing to reflect on, and names are only looked up among what is given here.
package final class ChatTemplate: Sendable {
    private let program: TemplateProgram
    private let layouts = LayoutCache()
    private let bosToken: String
    private let eosToken: String
    /// How the model calls tools; nil when the template has no place for them.
    package let toolDialect: ToolDialect?

    /// - Parameters:
    ///   - bosToken, eosToken: what the template writes where it names them; empty when the model has none.
    /// - Throws: when the template cannot be parsed. What it uses of filters, tests and functions shows when it gets there.
    package init(source: String, bosToken: String, eosToken: String) throws(ChatTemplateError) {
        program = try TemplateParser.parse(source)
        toolDialect = ToolDialect(template: source)
        self.bosToken = bosToken
        self.eosToken = eosToken
    }

    /// - Parameters:
    ///   - addsGenerationPrompt: ends with what begins the assistant's answer.
    ///   - variables: further ones, and replacements of those that are always there: `messages`, `tools` and `documents`
    ///     (none), `add_generation_prompt`, `bos_token`, `eos_token`.
    ///   - now: what `strftime_now` prints; without it that function is undefined, for which templates have a way out.
    package func render(
        _ messages: [ChatMessage], addsGenerationPrompt: Bool, variables: [String: TemplateValue] = [:],
        now: TemplateTime? = nil
    ) throws(ChatTemplateError) -> String {
        String(
            decoding: try utf8(
                of: messages, addsGenerationPrompt: addsGenerationPrompt, variables: variables, now: now),
            as: UTF8.self)
    }

    /// What ``render(_:addsGenerationPrompt:variables:now:)`` gives, as UTF-8.
    package func utf8(
        of messages: [ChatMessage], addsGenerationPrompt: Bool, variables: [String: TemplateValue] = [:],
        now: TemplateTime? = nil
    ) throws(ChatTemplateError) -> [UInt8] {
        // Time and further variables make each chat one of its own.
        if variables.isEmpty, now == nil,
            let shape = ChatShape(messages, addsGenerationPrompt: addsGenerationPrompt),
            let layout = layouts.layout(of: shape, make: { layout(of: messages, addsGenerationPrompt) })
        {
            return layout.filled(with: messages)
        }
        var all = always(addsGenerationPrompt)
        for (name, value) in variables { all.append((name, value)) }
        return try TemplateEvaluation(program, now: now).render(messages, all).bytes
    }

    /// - Returns: nil where the template looks into the contents, or cannot be rendered: then it is asked again for each
    ///   chat, and says why.
    private func layout(of messages: [ChatMessage], _ addsGenerationPrompt: Bool) -> OpenText? {
        try? TemplateEvaluation(program, now: nil, leavesOpen: true).render(messages, always(addsGenerationPrompt))
    }

    private func always(_ addsGenerationPrompt: Bool) -> [(name: String, value: TemplateValue)] {
        [
            ("tools", .none), ("documents", .none), ("add_generation_prompt", .boolean(addsGenerationPrompt)),
            ("bos_token", .string(bosToken)), ("eos_token", .string(eosToken)),
        ]
    }
}

extension ToolCall {
    /// As templates see it.
    var value: TemplateValue {
        .mapping([
            .init(key: "id", value: .string(id)), .init(key: "type", value: .string("function")),
            .init(
                key: "function",
                value: .mapping([
                    .init(key: "name", value: .string(name)), .init(key: "arguments", value: arguments),
                ])),
        ])
    }
}
