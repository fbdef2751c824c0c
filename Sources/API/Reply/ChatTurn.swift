import Inference
import Serving
import Text

/// A chat that has been read, whatever its dialect. What is left is to render, tokenize and measure it, which is the same for
/// all: so the same messages, parameters and seed make the same prompt and the same answer.
struct ChatTurn {
    let model: ServedModel
    var messages: [ChatMessage]
    var tools: ToolFields
    var shared: SamplingFields
    /// Tokens of the answer at most; nil for what the context leaves.
    var wantedTokenCount: Int?
    var template = TemplateFields()
    var addsSpecialTokens = true
    /// What holds the text here.
    var promptField = "messages"

    init(model: ServedModel, messages: [ChatMessage], tools: ToolFields, shared: SamplingFields) {
        self.model = model
        self.messages = messages
        self.tools = tools
        self.shared = shared
    }

    /// - Parameter limits: where `min_tokens` may stand.
    consuming func prepare(
        limits: FieldReader, _ preparation: borrowing Preparation
    ) throws(APIError) -> PreparedGeneration {
        if let constraint = try tools.constraint() {
            guard shared.sampling.constraint == nil else {
                throw .invalid(
                    "tool_choice", code: "invalid_value",
                    "tool_choice asks for a call, but another field says what the answer must be: give one of them.")
            }
            try ConstraintFields.check(constraint, "tools", ends: shared.sampling.stopTokens, preparation)
            shared.sampling.constraint = constraint
        }
        let prompt = try prompt()
        try shared.setOutputTokenCount(
            try PreparedGeneration.outputTokenCount(
                prompts: [prompt], wanted: wantedTokenCount, fallback: nil, promptField: promptField, model: model,
                options: preparation.options), limits)
        var prepared = PreparedGeneration(
            model: model, request: shared.request(model: model, prompts: [prompt]), streams: shared.streams,
            includesUsage: shared.includesUsage, reportsUsageContinuously: shared.reportsUsageContinuously,
            promptLogprobCount: shared.promptLogprobCount, toolCalls: tools.calls)
        // The marks of calls must be seen.
        if tools.calls?.dialect.hasSpecialMarks == true { prepared.request.skipsSpecialTokens = false }
        return prepared
    }

    /// The messages as the model reads them.
    func prompt() throws(APIError) -> [TokenID] {
        try PreparedGeneration.checkFits(
            byteCount: ChatMessages.byteCount(messages), promptField: promptField, model: model)
        var text = try ChatMessages.render(
            messages, tools: tools.definitions, template, model: model)
        if let calls = tools.calls, calls.isForced { text += calls.dialect.forcedOpening.utf8 }
        let prompt = model.tokenizer.encode(utf8: text, parsesSpecialTokens: true, addsBOS: addsSpecialTokens)
        guard !prompt.isEmpty else {
            throw .invalid(promptField, code: "invalid_value", "The messages make an empty prompt.")
        }
        return prompt
    }
}

extension SamplingFields {
    /// Holds the answer to what a field of a dialect's own says.
    mutating func constrain(
        _ constraint: OutputConstraint?, _ parameter: String, _ preparation: borrowing Preparation
    ) throws(APIError) {
        guard let constraint else { return }
        guard sampling.constraint == nil else {
            throw .invalid(
                parameter, code: "invalid_value",
                "\(parameter) and another field both say what the answer must be: give one of them.")
        }
        try ConstraintFields.check(constraint, parameter, ends: sampling.stopTokens, preparation)
        sampling.constraint = constraint
    }
}
