import Inference
import NIOCore
import Serving

/// `GET /v1/models`, `GET /v1/models/{id}`
enum Models {
    static func list(_ call: APICall) {
        call.respond { body in
            body.writeStaticString("{\"object\":\"list\",\"data\":")
            body.writeJSONList(call.core.service.models) { write($1, into: &$0) }
            body.writeStaticString("}")
        }
    }

    static func one(_ call: APICall) {
        guard let model = call.core.service.models.first(where: { $0.name == call.id }) else {
            return call.fail(
                ErrorTable.error(.modelNotFound(call.id), promptField: "model", options: call.core.options))
        }
        call.respond { write(model, into: &$0) }
    }

    /// OpenAI's object, with the context length where vLLM has it.
    private static func write(_ model: ServedModel, into body: inout ByteBuffer) {
        body.writeStaticString("{\"id\":")
        body.writeJSON(model.name)
        body.writeStaticString(",\"object\":\"model\",\"created\":")
        body.writeJSON(model.created)
        body.writeStaticString(",\"owned_by\":\"apus\",\"max_model_len\":")
        body.writeJSON(model.contextLength)
        body.writeStaticString("}")
    }
}
