/// One message of a chat, as templates see it.
package struct ChatMessage: Equatable, Sendable {
    package var role: String
    package var content: String
    package var name: String?
    package init(role: String, content: String, name: String? = nil) {
        self.role = role
        self.content = content
        self.name = name
    }
}

package enum ChatTemplateError: Error, Equatable, Sendable {
    /// The template cannot be parsed, or uses what Apus does not know.
    case unsupported(String)
    /// The template itself refused the messages (`raise_exception`).
    case refused(String)
    /// Depth, steps or output passed the limit that the text names.
    case limitExceeded(String)
}

/// A chat template of the Jinja subset that model files use. Immutable; bounded in depth, steps and output.
package final class ChatTemplate: Sendable {
    package init(source: String, bosToken: String, eosToken: String) throws(ChatTemplateError) {}

    package func render(
        _ messages: [ChatMessage], addsGenerationPrompt: Bool
    ) throws(ChatTemplateError) -> String { "" }
}
