/// How a family of models writes its calls of tools into its text.
package enum ToolDialect: String, CaseIterable, Sendable {
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, one pair of marks for each call. Hermes 2 Pro, Qwen 2.5.
    case hermes
    /// `{"name": …, "parameters": {…}}` as the whole message, or behind `<|python_tag|>`; `;` between calls. Llama 3.1.
    case llama3
    /// `[TOOL_CALLS][{"name": …, "arguments": {…}}, …]`, or for each call `[TOOL_CALLS]name[ARGS]{…}`. Mistral.
    case mistral

    /// The dialect that a chat template teaches; nil when it has no place for tools.
    package init?(template source: String) {
        guard source.contains("tools") else { return nil }
        let marks: [(String, ToolDialect)] = [
            ("<tool_call>", .hermes), ("[TOOL_CALLS]", .mistral), ("<|python_tag|>", .llama3),
            // Llama 3.1 and later name the role of an answer so, and show calls with "parameters".
            ("ipython", .llama3),
        ]
        guard let found = marks.first(where: { source.contains($0.0) }) else { return nil }
        self = found.1
    }

    /// What begins calls.
    var opening: String {
        switch self {
        case .hermes: "<tool_call>"
        case .llama3: "<|python_tag|>"
        case .mistral: "[TOOL_CALLS]"
        }
    }

    /// What a prompt ends with when the answer has to be a call.
    package var forcedOpening: String { self == .hermes ? "<tool_call>\n" : "" }

    /// What the member of a call with its arguments is called.
    package var argumentsName: String { self == .llama3 ? "parameters" : "arguments" }

    /// Marks are special tokens, which text leaves out unless it is told not to.
    package var hasSpecialMarks: Bool { self != .hermes }
}
