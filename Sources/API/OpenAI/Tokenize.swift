import Inference
import NIOCore
import Serving
import Text

/// `POST /tokenize`, as vLLM has it: a prompt or a chat in, token ids out.
enum Tokenize {
    static func answer(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            try tokenize(body, preparation)
        } then: {
            call.respond(body: $0)
        }
    }

    private static func tokenize(_ body: [UInt8], _ preparation: Preparation) throws(APIError) -> ByteBuffer {
        let fields = try FieldReader.body(body)
        let model = try preparation.model(fields, promptField: "prompt")
        let text: [UInt8]
        if let prompt = try fields.string("prompt") {
            try checkLength(prompt.utf8.count, "prompt", preparation.options)
            text = Array(prompt.utf8)
        } else if fields.value("messages") != nil {
            let messages = try ChatMessages.read(fields, options: preparation.options)
            try checkLength(ChatMessages.byteCount(messages), "messages", preparation.options)
            text = try ChatMessages.render(
                messages, tools: try ToolFields(fields, model: model).definitions, try TemplateFields(fields),
                model: model)
        } else {
            throw fields.missing("prompt")
        }
        let tokens = model.tokenizer.encode(
            utf8: text, parsesSpecialTokens: true, addsBOS: try fields.bool("add_special_tokens") ?? true)
        return write(tokens, withStrings: try fields.bool("return_token_strs") ?? false, model)
    }

    private static func checkLength(
        _ byteCount: Int, _ parameter: String, _ options: APIOptions
    ) throws(APIError) {
        guard byteCount > options.tokenizeByteCountMax else { return }
        throw .invalid(
            parameter, code: "string_above_max_length",
            "\(parameter) has \(byteCount) bytes of text, but \(options.tokenizeByteCountMax) are the most.")
    }

    private static func write(_ tokens: [TokenID], withStrings: Bool, _ model: ServedModel) -> ByteBuffer {
        var body = ByteBuffer()
        body.writeStaticString("{\"count\":")
        body.writeJSON(tokens.count)
        body.writeStaticString(",\"max_model_len\":")
        body.writeJSON(model.contextLength)
        body.writeStaticString(",\"tokens\":")
        body.writeJSONList(tokens) { $0.writeJSON(Int($1)) }
        body.writeStaticString(",\"token_strs\":")
        if withStrings {
            // The vocabulary's own spelling ("Ġworld"), as vLLM shows it.
            let vocabulary = model.tokenizer.spec.tokens
            body.writeJSONList(tokens) { body, token in
                body.writeJSON(vocabulary.indices.contains(Int(token)) ? vocabulary[Int(token)] : "")
            }
        } else {
            body.writeStaticString("null")
        }
        body.writeStaticString("}")
        return body
    }
}
