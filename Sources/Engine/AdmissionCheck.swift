import Inference
import Models

/// What a sequence from outside must satisfy before it may touch an engine.
enum AdmissionCheck {
    /// - Returns: a sentence that says what is wrong, naming the value and the limit; nil when all is well.
    static func objection(
        to sequence: AdmittedSequence, model: ModelDescription, pageCount: Int
    ) -> String? {
        let (tokens, promptCount) = (sequence.tokens, sequence.promptTokenCount)
        guard !tokens.isEmpty else { return "The sequence has no tokens." }
        guard promptCount >= 1 && promptCount <= tokens.count else {
            return
                "The prompt is \(promptCount) of \(tokens.count) tokens; it must be at least 1 and at most all of them."
        }
        if let place = tokens.firstIndex(where: { $0 < 0 || Int($0) >= model.vocabularySize }) {
            return
                "Token \(tokens[place]) at position \(place) is none of the vocabulary's \(model.vocabularySize)."
        }
        guard (sequence.pooling == nil) == (model.pooledOutput == nil) else {
            return sequence.pooling == nil
                ? "The model reads whole texts and generates none."
                : "The model generates and does not read whole texts."
        }
        guard model.pooledOutput == nil else {
            return tokens.count <= model.contextLength
                ? nil : "The text has \(tokens.count) tokens; the model reads \(model.contextLength) at most."
        }
        // A sequence continued elsewhere may have arrived at the limit; a prompt must leave room for what it asks.
        let mayFill = promptCount < tokens.count || sequence.sampling.maxTokens <= 0
        guard tokens.count < model.contextLength || (mayFill && tokens.count == model.contextLength) else {
            return
                "The sequence has \(tokens.count) tokens; the context holds \(model.contextLength), output included."
        }
        let pagesNeeded = (tokens.count + model.pageTokenCount - 1) / model.pageTokenCount
        guard pagesNeeded <= pageCount else {
            return
                "The sequence needs \(pagesNeeded) KV pages of \(model.pageTokenCount) tokens; there are \(pageCount)."
        }
        return nil
    }
}
