import NIOCore
import Serving
import Text

/// `POST /detokenize`, as vLLM has it: token ids in, text out, control tokens included.
enum Detokenize {
    static func answer(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            try detokenize(body, preparation)
        } then: {
            call.respond(body: $0)
        }
    }

    private static func detokenize(_ body: [UInt8], _ preparation: Preparation) throws(APIError) -> ByteBuffer {
        let fields = try FieldReader.body(body)
        let model = try preparation.model(fields, promptField: "tokens")
        // The parser's own limit on values bounds the list.
        guard let elements = try fields.array("tokens", countMax: .max) else { throw fields.missing("tokens") }
        let tokens = try CompletionPrompts.tokenIDs(elements, at: "tokens", model)
        var body = ByteBuffer()
        body.writeStaticString("{\"prompt\":")
        body.writeJSON(model.tokenizer.decode(tokens, skipsSpecialTokens: false))
        body.writeStaticString("}")
        return body
    }
}
