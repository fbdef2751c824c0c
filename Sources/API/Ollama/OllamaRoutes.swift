import NIOCore
import Serving

/// Ollama's dialect. Models are those that workers serve: none is pulled, made or deleted here.
enum OllamaRoutes {
    static let table: [Route] =
        [
            Route("POST", "/api/chat", .open) { Ollama.answer($0, .chat) },
            Route("POST", "/api/generate", .open) { Ollama.answer($0, .generate) },
            Route("POST", "/api/embed", .open) { OllamaEmbeddings.answer($0) },
            Route("POST", "/api/embeddings", .open) { OllamaEmbeddings.answerOne($0) },
            Route("GET", "/api/tags", .open) { OllamaModels.list($0) },
            Route("GET", "/api/ps", .open) { OllamaModels.running($0) },
            Route("POST", "/api/show", .open) { OllamaModels.show($0) },
            Route("GET", "/api/version", .open) { call in
                call.respond { body in
                    body.writeStaticString("{\"version\":")
                    body.writeJSON(call.core.options.version)
                    body.writeStaticString("}")
                }
            },
        ]
        + refused.map { method, path, why in Route(method, path, .open) { $0.refuse(.unimplemented(why)) } }

    private static let refused: [(method: String, path: String, why: String)] = [
        ("POST", "/api/pull", ServerFacts.workersLoad), ("POST", "/api/create", ServerFacts.workersLoad),
        ("POST", "/api/copy", ServerFacts.workersLoad), ("DELETE", "/api/delete", ServerFacts.workersLoad),
        ("POST", "/api/push", "Models are files of the workers: there is nowhere to push them from."),
    ]
}

/// `POST /api/chat`, `POST /api/generate`
enum Ollama {
    enum Call {
        case chat
        case generate

        var promptField: String { self == .chat ? "messages" : "prompt" }
    }

    static func answer(_ call: APICall, _ kind: Call) {
        // Its type is not looked at: Ollama does not, and what curl calls a body by itself is no JSON.
        call.withBody(checksType: false) { (body, preparation) throws(APIError) in
            try PreparedOllama(FieldReader.body(body), kind, preparation)
        } then: { prepared in
            guard let generation = prepared.generation else {
                var encoder = OllamaEncoder(
                    ReplyName(
                        text: "", requestID: call.requestID, created: call.core.surroundings.unixSeconds(),
                        model: prepared.model.name, promptTokenCount: 0), kind)
                return call.respond { encoder.writeLoaded(into: &$0) }
            }
            ReplySession.start(call, generation, promptField: kind.promptField) { OllamaEncoder($0, kind) }
        }
    }
}
