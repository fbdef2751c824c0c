import Inference
import Serving
import Text

/// What a request must satisfy before it may enter the queue. The API says most of it in its own words first; here it
/// is what keeps a router from trapping whoever calls it.
enum RequestCheck {
    static func check(
        _ request: GenerationRequest, model: ServedModel, choicesMax: Int
    ) throws(ServeError) {
        guard !request.prompts.isEmpty, request.choiceCount >= 1 else {
            throw .invalidRequest(message: "A request needs at least one prompt and one choice.", parameter: "prompt")
        }
        guard (request.pooling == nil) == (model.pooledOutput == nil),
            request.pooling.map({ $0.count == request.prompts.count && request.choiceCount == 1 }) ?? true
        else {
            throw .invalidRequest(message: objection(to: request, model), parameter: "model")
        }
        let (choices, overflows) = request.prompts.count.multipliedReportingOverflow(by: request.choiceCount)
        guard !overflows, choices <= choicesMax else {
            throw .invalidRequest(
                message: "The request asks for more than \(choicesMax) choices over all its prompts.", parameter: "n")
        }
        guard request.sampling.maxTokens >= 0 else {
            throw .invalidRequest(message: "max_tokens must not be negative.", parameter: "max_tokens")
        }
        for prompt in request.prompts {
            guard !prompt.isEmpty else {
                throw .invalidRequest(message: "A prompt has no tokens.", parameter: "prompt")
            }
            let vocabulary = model.tokenizer.vocabularySize
            guard let stray = prompt.first(where: { $0 < 0 || Int($0) >= vocabulary }) else { continue }
            throw .invalidRequest(
                message: "Token \(stray) is not in the model's vocabulary of \(vocabulary) tokens.",
                parameter: "prompt")
        }
        let longest = request.prompts.reduce(0) { max($0, $1.count) }
        let room =
            request.pooling == nil && request.sampling.maxTokens > 0 ? model.contextLength - 1 : model.contextLength
        guard longest <= room else {
            throw .contextExceeded(promptTokens: longest, maxTokens: nil, contextLength: model.contextLength)
        }
    }

    private static func objection(to request: GenerationRequest, _ model: ServedModel) -> String {
        switch model.pooledOutput {
        case nil: "The model \"\(model.name)\" generates text and makes no vectors or scores of it."
        case .vector?: "The model \"\(model.name)\" makes vectors of texts and generates none."
        case .score?: "The model \"\(model.name)\" scores pairs of texts and generates none."
        }
    }
}
