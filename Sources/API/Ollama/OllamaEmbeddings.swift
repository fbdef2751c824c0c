import HTTP
import Inference
import JSON
import NIOCore
import Serving

/// `POST /api/embed`: a vector for each text. `POST /api/embeddings`, as it was called before: one vector of `prompt`.
enum OllamaEmbeddings {
    private struct Prepared: PreparedRequest {
        var reading: PreparedReading
        var serviceRequest: GenerationRequest? { reading.request }
    }

    static func answer(_ call: APICall) {
        let startedAt = call.exchange.eventLoop.now
        // Its type is not looked at: Ollama does not, and what curl calls a body by itself is no JSON.
        call.withBody(checksType: false) { (body, preparation) throws(APIError) in
            try prepare(body, "input", preparation)
        } then: { prepared in
            ReadingSession.start(call, prepared.reading, promptField: "input") { vectors, usage, _, body in
                body.writeStaticString("{\"model\":")
                body.writeJSON(prepared.reading.model.name)
                body.writeStaticString(",\"embeddings\":")
                body.writeJSONList(vectors) { body, vector in body.writeJSONList(vector) { $0.writeJSON($1) } }
                body.writeStaticString(",\"total_duration\":")
                body.writeJSON((call.exchange.eventLoop.now - startedAt).nanoseconds)
                body.writeStaticString(",\"load_duration\":0,\"prompt_eval_count\":")
                body.writeJSON(usage.promptTokens)
                body.writeStaticString("}")
            }
        }
    }

    static func answerOne(_ call: APICall) {
        call.withBody(checksType: false) { (body, preparation) throws(APIError) in
            try prepare(body, "prompt", preparation)
        } then: { prepared in
            ReadingSession.start(call, prepared.reading, promptField: "prompt") { vectors, _, _, body in
                body.writeStaticString("{\"embedding\":")
                body.writeJSONList(vectors.first ?? []) { $0.writeJSON($1) }
                body.writeStaticString("}")
            }
        }
    }

    /// - Parameter name: what holds the text; `input` may hold several.
    private static func prepare(
        _ body: [UInt8], _ name: String, _ preparation: Preparation
    ) throws(APIError) -> Prepared {
        let fields = try FieldReader.body(body)
        let model = try OllamaModels.find(fields, preparation)
        guard case .vector(let size) = try Preparation.pooledOutput(of: model) else {
            throw .invalid(
                "model", code: "model_does_not_embed",
                "The model \"\(model.name)\" scores pairs of texts: ask /v1/score or /v1/rerank.")
        }
        try RefusedFields.check(fields, against: RefusedFields.embedding)
        _ = try fields.object("options")
        if let wanted = try fields.integer("dimensions", in: 1...Int(Int32.max)), wanted != size {
            throw .unsupported("dimensions", "the model's vectors have \(size) numbers and mean nothing when cut")
        }
        let texts = try texts(fields, name, preparation.options).enumerated().map { text throws(APIError) in
            let tokens = try PreparedGeneration.encode(
                [text.element], addsBOS: true, promptField: name, model: model)
            return (tokens: tokens.first ?? [], pooling: Pooling())
        }
        try PreparedGeneration.checkNotEmpty(texts.map(\.tokens), promptField: name)
        return Prepared(
            reading: try PreparedReading(fields, texts, model: model) { texts.count == 1 ? name : "\(name)[\($0)]" })
    }

    private static func texts(
        _ fields: FieldReader, _ name: String, _ options: APIOptions
    ) throws(APIError) -> [String] {
        guard let value = fields.value(name) else { throw fields.missing(name) }
        guard name == "input", case .array(let elements) = value else { return [try fields.string(name) ?? ""] }
        guard !elements.isEmpty else { throw .invalid(name, code: "empty_array", "\(name) is empty.") }
        guard elements.count <= options.textCountMax else {
            throw fields.tooMany(name, count: elements.count, countMax: options.textCountMax)
        }
        return try FieldReader.strings(elements, at: name)
    }
}
