import JSON
import NIOCore
import Serving
import Text

/// `GET /api/tags`, `GET /api/ps`, `POST /api/show`: the models that workers serve. What is not known here, such as a
/// file's size, is left out.
enum OllamaModels {
    /// The model that `model` names (`name`, as it was called before). Ollama's clients may add `:latest`.
    static func find(_ fields: FieldReader, _ preparation: Preparation) throws(APIError) -> ServedModel {
        let older = try fields.string("name")
        guard var name = try fields.string("model") ?? older, !name.isEmpty else { throw fields.missing("model") }
        let suffix = ":latest"
        if !preparation.directory.models.contains(where: { $0.name == name }), name.hasSuffix(suffix) {
            name.removeLast(suffix.count)
        }
        let named = JSONObject(members: [.init(name: "model", value: .string(name))])
        return try preparation.model(FieldReader(named), promptField: "prompt")
    }

    static func list(_ call: APICall) { write(call.core.service.models, to: call) }

    /// Those that can take work now.
    static func running(_ call: APICall) {
        write(call.core.service.models.filter { call.core.service.isReady($0.name) }, to: call)
    }

    static func show(_ call: APICall) {
        call.withBody(checksType: false) { (body, preparation) throws(APIError) in
            try find(FieldReader.body(body), preparation)
        } then: { model in
            call.respond { body in
                body.writeStaticString("{\"modified_at\":")
                body.writeJSON(UTCTime.text(unixSeconds: model.created))
                body.writeStaticString(",\"details\":")
                writeDetails(into: &body)
                body.writeStaticString(",\"model_info\":{\"general.name\":")
                body.writeJSON(model.name)
                body.writeStaticString(",\"general.context_length\":")
                body.writeJSON(model.contextLength)
                body.writeStaticString(",\"general.vocabulary_size\":")
                body.writeJSON(model.tokenizer.vocabularySize)
                body.writeStaticString("},\"capabilities\":")
                body.writeJSONList(capabilities(of: model)) { $0.writeJSON($1) }
                body.writeStaticString("}")
            }
        }
    }

    private static func capabilities(of model: ServedModel) -> [String] {
        guard model.pooledOutput == nil else { return ["embedding"] }
        return ["completion"] + (model.chatTemplate?.toolDialect != nil ? ["tools"] : [])
            + (model.tokenizer.infill != nil ? ["insert"] : [])
    }

    private static func write(_ models: [ServedModel], to call: APICall) {
        call.respond { body in
            body.writeStaticString("{\"models\":")
            body.writeJSONList(models) { body, model in
                body.writeStaticString("{\"name\":")
                body.writeJSON(model.name)
                body.writeStaticString(",\"model\":")
                body.writeJSON(model.name)
                body.writeStaticString(",\"modified_at\":")
                body.writeJSON(UTCTime.text(unixSeconds: model.created))
                body.writeStaticString(",\"digest\":")
                // That of the weights, which the numerics id begins with.
                body.writeJSON(model.numericsID.map { String($0.prefix { $0 != "-" }) } ?? "")
                body.writeStaticString(",\"context_length\":")
                body.writeJSON(model.contextLength)
                body.writeStaticString(",\"details\":")
                writeDetails(into: &body)
                body.writeStaticString("}")
            }
            body.writeStaticString("}")
        }
    }

    private static func writeDetails(into body: inout ByteBuffer) {
        body.writeStaticString("{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"\",\"families\":null")
        body.writeStaticString(",\"parameter_size\":\"\",\"quantization_level\":\"\"}")
    }
}
