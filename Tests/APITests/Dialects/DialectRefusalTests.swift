import Testing

@testable import API

/// Every row is a request that must end at once, with a sentence that names the field; nothing may reach the service.
@Suite struct DialectRefusalTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var path: String
        var body: String
        /// What the message begins with or holds: the field, as a rule.
        var says: String
        var status = 400
        var testDescription: String { "\(path) \(body.prefix(100))" }
    }

    static func response(_ fields: String, _ says: String) -> Row {
        Row(path: "/v1/responses", body: #"{"model":"tiny",\#(fields)}"#, says: says)
    }
    static func given(_ fields: String, _ says: String) -> Row { response(#""input":"Hi",\#(fields)"#, says) }
    static func message(_ fields: String, _ says: String) -> Row {
        Row(path: "/v1/messages", body: #"{"model":"tiny","max_tokens":9,\#(fields)}"#, says: says)
    }
    static func said(_ fields: String, _ says: String) -> Row {
        message(#""messages":[{"role":"user","content":"Hi"}],\#(fields)"#, says)
    }
    static func chat(_ fields: String, _ says: String) -> Row {
        Row(
            path: "/api/chat", body: #"{"model":"tiny","messages":[{"role":"user","content":"Hi"}],\#(fields)}"#,
            says: says)
    }
    static func generate(_ fields: String, _ says: String) -> Row {
        Row(path: "/api/generate", body: #"{"model":"tiny","prompt":"Hi",\#(fields)}"#, says: says)
    }

    static let tool = #""tools":[{"type":"function","name":"a","parameters":{}}]"#

    static let responses: [Row] = [
        response(#""stream":false"#, "input is required"), response(#""input":5"#, "input must be a string or a list"),
        response(#""input":[]"#, "input is empty"), response(#""input":[5]"#, "input[0] must be an object"),
        response(#""input":[{"role":"robot","content":"x"}]"#, "input[0].role must be"),
        response(#""input":[{"content":"x"}]"#, "input[0].role is required"),
        response(#""input":[{"role":"user"}]"#, "input[0].content is required"),
        response(
            #""input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]"#,
            "input[0].content[0].type must be input_text or output_text or text"),
        response(#""input":[{"type":"item_reference","id":"x"}]"#, "items are not stored"),
        response(#""input":[{"type":"web_search_call"}]"#, "input[0].type is not supported"),
        response(#""input":[{"type":"function_call","name":"a"}]"#, "input[0].call_id is required"),
        response(
            #""input":[{"type":"function_call","call_id":"c","name":"a","arguments":7}]"#,
            "input[0].arguments must be the text of a JSON object"),
        response(#""input":[{"type":"function_call_output","call_id":"c"}]"#, "input[0].output is required"),
        response(
            #""input":[{"type":"function_call","call_id":"c","name":"a","arguments":""}]"#, "has no place for them"),
        given(#""previous_response_id":"resp_1""#, "previous_response_id is not supported"),
        given(#""conversation":"c""#, "conversation is not supported"),
        given(#""background":true"#, "background is not supported"),
        given(#""prompt":{"id":"p"}"#, "prompt is not supported"),
        given(#""truncation":"auto""#, "truncation is not supported"),
        given(#""include":["message.output_text.logprobs"]"#, "include[0] is not supported"),
        given(#""top_logprobs":2"#, "top_logprobs is not supported"), given(#""n":2"#, "n is not supported"),
        given(#""stream":true,"stream_options":{"include_obfuscation":true}"#, "stream_options.include_obfuscation"),
        given(#""max_output_tokens":0"#, "max_output_tokens must be between 1"),
        given(#""max_output_tokens":300"#, "context holds 256"), given(#""temperature":3"#, "temperature must be"),
        given(#""instructions":5"#, "instructions must be a string"),
        given(#""text":{"format":{"type":"xml"}}"#, "text.format.type is not supported"),
        given(#""text":{"format":{"type":"json_schema","name":"a"}}"#, "text.format.schema is required"),
        given(
            #""text":{"format":{"type":"json_schema","name":"a","schema":{"not":{}}}}"#,
            "text.format cannot be honoured"),
        given(#""text":{"format":{"type":"json_object"}},"guided_regex":"a""#, "text.format and another field"),
        given(#""tools":[{"type":"web_search"}]"#, "tools[0].type is not supported"),
        given(#""tools":[{"type":"function"}]"#, "tools[0].name is required"),
        given(#""tools":[{"type":"function","name":"a b"}]"#, "tools[0].name must be 1 to 64"),
        given(#""tools":[{"type":"function","name":"a"},{"type":"function","name":"a"}]"#, "tools[1].name is the name"),
        given(tool, "no place for tools"), given(#""tool_choice":"required""#, "tool_choice is only allowed"),
        given(tool + #","tool_choice":{"type":"function","name":"b"}"#, "tool_choice.name is none of the tools"),
        given(tool + #","tool_choice":{"type":"file_search"}"#, "tool_choice.type is not supported"),
    ]

    static let messages: [Row] = [
        Row(
            path: "/v1/messages", body: #"{"messages":[{"role":"user","content":"Hi"}]}"#,
            says: "max_tokens is required"),
        message(#""system":"x""#, "messages is required"), message(#""messages":[]"#, "messages is empty"),
        message(#""messages":[{"role":"tool","content":"x"}]"#, "messages[0].role must be"),
        message(#""messages":[{"role":"user"}]"#, "messages[0].content is required"),
        message(
            #""messages":[{"role":"user","content":[{"type":"image","source":{}}]}]"#,
            "messages[0].content[0].type must be text"),
        message(
            #""messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#,
            "messages[1].role is not supported"),
        message(
            #""messages":[{"role":"user","content":[{"type":"tool_result","content":"x"}]}]"#,
            "messages[0].content[0].tool_use_id is required"),
        message(
            #""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"x"}]}]"#,
            "messages[0].content[0].name is required"),
        message(
            #""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"x","name":"a"}]},"#
                + #"{"role":"user","content":"b"}]"#, "has no place for them"),
        said(#""system":5"#, "system must be a string or a list"),
        said(#""stop_sequences":[""]"#, "stop_sequences[0] is empty"),
        said(#""stop_sequences":5"#, "stop_sequences must be"), said(#""stop":["a"]"#, "stop is not supported"),
        said(#""thinking":{"type":"enabled","budget_tokens":1024}"#, "thinking.type is not supported"),
        said(#""container":"x""#, "container is not supported"), said(#""mcp_servers":[{}]"#, "mcp_servers is not"),
        said(#""output_config":{"format":{"type":"xml"}}"#, "output_config.format.type is not supported"),
        said(#""top_k":-2"#, "top_k must be between"),
        said(#""max_tokens_":1,"temperature":"x""#, "temperature must be"),
        said(#""tools":[{"type":"bash_20250124","name":"bash"}]"#, "tools[0].type is not supported"),
        said(#""tools":[{"name":"a"}]"#, "tools[0].input_schema is required"),
        said(#""tool_choice":{"type":"any"}"#, "tool_choice is only allowed"),
        said(#""tool_choice":{"type":"some"}"#, "tool_choice.type must be"),
        Row(
            path: "/v1/messages/count_tokens", body: #"{"messages":[{"role":"user"}]}"#,
            says: "messages[0].content is required"),
    ]

    static let ollama: [Row] = [
        Row(path: "/api/chat", body: "{}", says: "model is required"),
        Row(path: "/api/chat", body: #"{"model":"x"}"#, says: "does not exist", status: 404),
        Row(path: "/api/show", body: #"{"model":"x"}"#, says: "does not exist", status: 404),
        Row(
            path: "/api/chat", body: #"{"model":"tiny","messages":[{"role":"user","content":"a","images":["x"]}]}"#,
            says: "messages[0].images is not supported"),
        Row(
            path: "/api/chat", body: #"{"model":"tiny","messages":[{"role":"robot","content":"a"}]}"#,
            says: "messages[0].role must be"),
        Row(
            path: "/api/chat", body: #"{"model":"tiny","messages":[{"role":"user"}]}"#,
            says: "messages[0].content is required"),
        chat(#""think":true"#, "think is not supported"), chat(#""format":"xml""#, "format must be"),
        chat(#""format":{"not":{}}"#, "format cannot be honoured"), chat(#""options":5"#, "options must be an object"),
        chat(#""options":{"temperature":5}"#, "options.temperature must be"),
        chat(#""options":{"num_predict":0}"#, "options.num_predict must be at least 1"),
        chat(#""options":{"num_predict":999}"#, "context holds 256"),
        chat(#""options":{"mirostat":2}"#, "options.mirostat is not supported"),
        chat(#""options":{"repeat_penalty":1.1,"repeat_last_n":64}"#, "options.repeat_last_n is not supported"),
        chat(#""options":{"stop":[5]}"#, "options.stop[0] must be a string"),
        chat(#""logprobs":true"#, "logprobs is not supported"),
        generate(#""template":"x""#, "template is not supported"),
        generate(#""suffix":"x""#, "suffix is not supported"),
        generate(#""context":[1]"#, "context is not supported"),
        generate(#""images":["x"]"#, "images is not supported"),
        Row(path: "/api/pull", body: #"{"model":"x"}"#, says: "Models are loaded by workers", status: 501),
        Row(path: "/api/create", body: "{}", says: "Models are loaded by workers", status: 501),
        chat(#""suffix":"x""#, "suffix is not supported: use /api/generate"),
        Row(path: "/api/embed", body: "{}", says: "model is required"),
        Row(path: "/api/embed", body: #"{"model":"tiny","input":"a"}"#, says: "does not embed"),
        Row(path: "/api/embeddings", body: #"{"model":"tiny","prompt":"a"}"#, says: "does not embed"),
    ]

    @Test(arguments: responses + messages + ollama)
    func `what is wrong or not served is refused by name`(_ row: Row) {
        let desk = Desk()
        let exchange = desk.post(row.path, row.body)
        #expect(exchange.status == row.status, "\(exchange.text)")
        #expect(exchange.text.contains(row.says), "\(exchange.text)")
        #expect(desk.service.submitted.isEmpty)
        #expect(exchange.isFinished)
    }

    @Test func `stored responses are asked for in vain`() {
        let desk = Desk()
        for (method, path) in [
            ("GET", "/v1/responses/resp_1"), ("DELETE", "/v1/responses/resp_1"),
            ("POST", "/v1/responses/resp_1/cancel"), ("GET", "/v1/responses/resp_1/input_items"),
        ] {
            let exchange = desk.send(method, path, body: .success([]))
            #expect(exchange.status == 404 && exchange.text.contains("resp_1\\\""), "\(exchange.text)")
            #expect(exchange.text.contains("responses are not stored"))
        }
        #expect(desk.send("DELETE", "/api/delete", body: .success([])).status == 501)
    }
}
