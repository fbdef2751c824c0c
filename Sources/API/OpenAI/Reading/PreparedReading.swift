import Inference
import Serving

/// Texts that are to be read as wholes: read from a body, checked and tokenized.
struct PreparedReading: Sendable {
    var model: ServedModel
    var request: GenerationRequest

    /// - Parameters:
    ///   - texts: tokens and how each text is read.
    ///   - name: what a text is called in the body: `input[3]`.
    init(
        _ fields: FieldReader, _ texts: [(tokens: [TokenID], pooling: Pooling)], model: ServedModel,
        name: (Int) -> String
    ) throws(APIError) {
        for (index, text) in texts.enumerated() where text.tokens.count > model.contextLength {
            throw .invalid(
                name(index), code: "context_length_exceeded",
                "\(name(index)) has \(text.tokens.count) tokens, but the model reads \(model.contextLength) at most.")
        }
        var sampling = SamplingParameters()
        sampling.maxTokens = 0
        self.model = model
        request = GenerationRequest(model: model.name, prompts: texts.map(\.tokens), sampling: sampling)
        request.pooling = texts.map(\.pooling)
        request.priority = try SamplingFields.priority(fields)
    }
}
