import NIOCore
import Serving

/// Anthropic's dialect, of whatever version. Its list of models is ``Models``.
enum MessagesRoutes {
    static let table: [Route] = [
        Route("POST", "/v1/messages", .open) { Messages.answer($0) },
        Route("POST", "/v1/messages/count_tokens", .open) { Messages.countTokens($0) },
    ]
}

/// `POST /v1/messages`, `POST /v1/messages/count_tokens`
enum Messages {
    static func answer(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            let fields = try FieldReader.body(body)
            guard let limit = try fields.integer("max_tokens", in: 1...Int(Int32.max)) else {
                throw fields.missing("max_tokens")
            }
            var turn = try MessagesRequest.turn(fields, preparation)
            turn.wantedTokenCount = limit
            return try turn.prepare(limits: fields, preparation)
        } then: { prepared in
            ReplySession.start(call, prepared, promptField: "messages") { MessageEncoder($0) }
        }
    }

    static func countTokens(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            try MessagesRequest.turn(FieldReader.body(body), preparation).prompt().count
        } then: { count in
            call.respond { body in
                body.writeStaticString("{\"input_tokens\":")
                body.writeJSON(count)
                body.writeStaticString("}")
            }
        }
    }
}
