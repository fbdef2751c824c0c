import Inference
import Serving
import Text

/// A generation request that has been read, checked and tokenized, with what its answer will need.
struct PreparedGeneration: Sendable {
    var model: ServedModel
    var request: GenerationRequest
    var streams: Bool
    /// A chunk with usage at the end of a stream.
    var includesUsage = false
    /// Usage so far in every chunk. vLLM's `continuous_usage_stats`.
    var reportsUsageContinuously = false
    /// Alternatives to show for each output token; nil shows no log-probabilities at all.
    var logprobCount: Int?
    /// The same for the prompt, as vLLM's `prompt_logprobs` shows it.
    var promptLogprobCount: Int?
    /// How calls of tools in the answers are read; nil where nothing may be called.
    var toolCalls: ToolCallReading?
    /// What `echo` puts in front of each answer, by prompt; nil without `echo`.
    var echoedPrompts: [String]?
    /// Of a stream: what its events' ids are bound to, see ``ResumeSeal``.
    var binding: [UInt8] = []

    var choiceCount: Int { request.prompts.count * request.choiceCount }
    func prompt(ofChoice choice: Int) -> Int { choice / max(request.choiceCount, 1) }
    var promptTokenCount: Int { request.promptTokenCount }
}

extension PreparedGeneration {
    /// Refuses text that cannot fit however well it tokenizes, before seconds go into tokenizing it.
    ///
    /// A token's spelling in the vocabulary is never shorter than the bytes it stands for. Only texts long enough to be
    /// worth a walk through the vocabulary are looked at.
    static func checkFits(
        byteCount: Int, promptField: String, model: ServedModel
    ) throws(APIError) {
        guard byteCount >= 128 << 10 else { return }
        let longest = model.tokenizer.spec.tokens.reduce(1) { max($0, $1.utf8.count) }
        let leastTokens = byteCount / longest
        guard leastTokens > model.contextLength else { return }
        throw .invalid(
            promptField, code: "context_length_exceeded",
            "The prompt has \(byteCount) bytes, which make \(leastTokens) tokens at least, but the model's context "
                + "holds \(model.contextLength).")
    }

    static func encode(
        _ texts: [String], addsBOS: Bool, promptField: String, model: ServedModel
    ) throws(APIError) -> [[TokenID]] {
        for text in texts { try checkFits(byteCount: text.utf8.count, promptField: promptField, model: model) }
        return texts.map { model.tokenizer.encode($0, parsesSpecialTokens: true, addsBOS: addsBOS) }
    }

    static func checkNotEmpty(_ prompts: [[TokenID]], promptField: String) throws(APIError) {
        for (index, prompt) in prompts.enumerated() where prompt.isEmpty {
            let parameter = prompts.count == 1 ? promptField : "\(promptField)[\(index)]"
            throw .invalid(parameter, code: "invalid_value", "\(parameter) is empty.")
        }
    }

    /// - Returns: answers that so many prompts with `n` choices each make.
    static func answerCount(
        promptCount: Int, choiceCount: Int, options: APIOptions
    ) throws(APIError) -> Int {
        let count = promptCount * choiceCount
        guard count <= options.sequenceCountMax else {
            throw .invalid(
                "n", code: "integer_above_max_value",
                "\(promptCount) prompts with n \(choiceCount) make \(count) answers, "
                    + "but \(options.sequenceCountMax) are the most.")
        }
        return count
    }

    /// Checks prompt and output against the model's context.
    /// - Parameter wanted: the client's limit; nil for `fallback`, or for as much as the context leaves.
    /// - Returns: tokens each choice may have.
    static func outputTokenCount(
        prompts: [[TokenID]], wanted: Int?, fallback: Int?, promptField: String, model: ServedModel,
        options: APIOptions
    ) throws(APIError) -> Int {
        let longest = prompts.reduce(0) { max($0, $1.count) }
        let left = model.contextLength - longest
        if let wanted, wanted <= left { return wanted }
        guard wanted == nil, left >= 1 else {
            throw ErrorTable.error(
                .contextExceeded(promptTokens: longest, maxTokens: wanted, contextLength: model.contextLength),
                promptField: promptField, options: options)
        }
        return min(fallback ?? left, left)
    }
}
