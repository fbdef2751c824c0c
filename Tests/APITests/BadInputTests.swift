import Foundation
import HTTP
import NIOEmbedded
import Testing

@testable import API

/// Every row is a request that must end at once, with this status, naming this parameter, with this code; and nothing
/// may have reached the service.
@Suite struct BadInputTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var path: String
        var body: String
        var status = 400
        var parameter: String?
        var code: String
        /// A part of the message: the limit, as a rule.
        var says = ""
        var testDescription: String { "\(path) \(body.prefix(90))" }
    }

    static func chat(
        _ more: String, _ parameter: String, _ code: String, says: String = "", status: Int = 400
    ) -> Row {
        Row(
            path: "/v1/chat/completions",
            body: #"{"model":"tiny","messages":[{"role":"user","content":"Hi"}],\#(more)}"#, status: status,
            parameter: parameter, code: code, says: says)
    }

    static func messages(_ messages: String, _ parameter: String, _ code: String, says: String = "") -> Row {
        Row(
            path: "/v1/chat/completions", body: #"{"model":"tiny","messages":\#(messages)}"#, parameter: parameter,
            code: code, says: says)
    }

    static func completion(_ more: String, _ parameter: String, _ code: String, says: String = "") -> Row {
        Row(
            path: "/v1/completions", body: #"{"model":"tiny","prompt":"Hi",\#(more)}"#, parameter: parameter,
            code: code, says: says)
    }

    static func prompt(_ prompt: String, _ parameter: String, _ code: String, says: String = "") -> Row {
        Row(
            path: "/v1/completions", body: #"{"model":"tiny","prompt":\#(prompt)}"#, parameter: parameter, code: code,
            says: says)
    }

    static func raw(_ body: String, _ parameter: String?, _ code: String, says: String = "", status: Int = 400) -> Row {
        Row(
            path: "/v1/chat/completions", body: body, status: status, parameter: parameter, code: code, says: says)
    }

    static let bodies: [Row] = [
        raw("", nil, "invalid_json", says: "empty"),
        raw("{", nil, "invalid_json", says: "byte 1"),
        raw("{\"model\":\"tiny\",", nil, "invalid_json", says: "middle"),
        raw("{\"model\":\"tiny\"}x", nil, "invalid_json", says: "follows"),
        raw("{\"temperature\":NaN}", nil, "invalid_json", says: "\"N\""),
        raw("{\"temperature\":Infinity}", nil, "invalid_json"),
        chat("\"temperature\":1e999", "temperature", "decimal_above_max_value"),
        chat("\"max_tokens\":-1e999", "max_tokens", "integer_below_min_value"),
        raw("{\"model\":\"a\",\"model\":\"b\"}", nil, "invalid_json", says: "twice"),
        raw("{\"model\":\"\\ud83d\"}", nil, "invalid_json", says: "surrogate"),
        raw(String(repeating: "[", count: 100), nil, "invalid_json", says: "64"),
        raw("[]", nil, "invalid_type", says: "a list"),
        raw("\"x\"", nil, "invalid_type", says: "a string"),
        raw("null", nil, "invalid_type"),
        raw("{}", "messages", "missing_required_parameter"),
        raw("{\"model\":7,\"messages\":[]}", "model", "invalid_type", says: "a number"),
        raw("{\"model\":\"other\",\"messages\":[]}", "model", "model_not_found", says: "other", status: 404),
        raw("{\"model\":\"\",\"messages\":[]}", "model", "model_not_found", status: 404),
    ]

    static let conversations: [Row] = [
        messages("null", "messages", "missing_required_parameter"),
        messages("[]", "messages", "empty_array"),
        messages("\"Hi\"", "messages", "invalid_type", says: "a list"),
        messages("{}", "messages", "invalid_type"),
        messages("[\"Hi\"]", "messages[0]", "invalid_type"),
        messages("[{}]", "messages[0].role", "missing_required_parameter"),
        messages("[{\"role\":1,\"content\":\"\"}]", "messages[0].role", "invalid_type"),
        messages("[{\"role\":\"wizard\",\"content\":\"x\"}]", "messages[0].role", "invalid_value", says: "wizard"),
        messages("[{\"role\":\"User\",\"content\":\"x\"}]", "messages[0].role", "invalid_value"),
        messages(
            "[{\"role\":\"tool\",\"content\":\"x\"}]", "messages[0].tool_call_id", "missing_required_parameter"),
        messages(
            "[{\"role\":\"tool\",\"tool_call_id\":\"a\"}]", "messages[0].content", "missing_required_parameter"),
        messages("[{\"role\":\"function\",\"content\":\"x\"}]", "messages[0].role", "unsupported_parameter"),
        messages("[{\"role\":\"user\"}]", "messages[0].content", "missing_required_parameter"),
        messages("[{\"role\":\"user\",\"content\":null}]", "messages[0].content", "missing_required_parameter"),
        messages(
            "[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"user\",\"content\":5}]", "messages[1].content",
            "invalid_type"),
        messages("[{\"role\":\"user\",\"content\":[\"x\"]}]", "messages[0].content[0]", "invalid_type"),
        messages("[{\"role\":\"user\",\"content\":[{}]}]", "messages[0].content[0].type", "missing_required_parameter"),
        messages(
            "[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]", "messages[0].content[0].text",
            "missing_required_parameter"),
        messages(
            "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":1}]}]", "messages[0].content[0].text",
            "invalid_type"),
        messages(
            "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
                + "{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://x/\"}}]}]",
            "messages[0].content[1].type", "unsupported_value", says: "image_url"),
        messages(
            "[{\"role\":\"assistant\",\"content\":\"x\",\"tool_calls\":[{}]}]",
            "messages[0].tool_calls[0].function", "missing_required_parameter"),
        messages(
            "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":[1]}}]}]",
            "messages[0].tool_calls[0].function.arguments", "invalid_type"),
        messages(
            "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":7}}]}]",
            "messages[0].tool_calls[0].function.arguments", "invalid_type"),
        messages("[{\"role\":\"assistant\",\"tool_calls\":[]}]", "messages[0].content", "missing_required_parameter"),
        messages("[{\"role\":\"user\",\"content\":\"x\",\"name\":[]}]", "messages[0].name", "invalid_type"),
        messages(
            "[{\"role\":\"user\",\"content\":\"\(String(repeating: "x", count: 300))\"}]", "messages",
            "context_length_exceeded", says: "256"),
    ]

    static let sampling: [Row] = [
        chat("\"temperature\":-0.1", "temperature", "decimal_below_min_value", says: "between 0 and 2"),
        chat("\"temperature\":2.1", "temperature", "decimal_above_max_value", says: "2.1"),
        chat("\"temperature\":\"hot\"", "temperature", "invalid_type", says: "a string"),
        chat("\"temperature\":1e308", "temperature", "decimal_above_max_value"),
        chat("\"temperature\":true", "temperature", "invalid_type", says: "a boolean"),
        chat("\"top_p\":-0.01", "top_p", "decimal_below_min_value"),
        chat("\"top_p\":1.01", "top_p", "decimal_above_max_value"),
        chat("\"top_k\":-2", "top_k", "integer_below_min_value"),
        chat("\"top_k\":1.5", "top_k", "invalid_type", says: "whole"),
        chat("\"top_k\":18446744073709551615", "top_k", "integer_above_max_value", says: "18446744073709551615"),
        chat("\"top_k\":-1e300", "top_k", "integer_below_min_value"),
        chat("\"min_p\":-0.5", "min_p", "decimal_below_min_value"),
        chat("\"min_p\":2", "min_p", "decimal_above_max_value"),
        chat("\"repetition_penalty\":0", "repetition_penalty", "decimal_below_min_value"),
        chat("\"repetition_penalty\":11", "repetition_penalty", "decimal_above_max_value"),
        chat("\"presence_penalty\":-2.5", "presence_penalty", "decimal_below_min_value"),
        chat("\"frequency_penalty\":3", "frequency_penalty", "decimal_above_max_value"),
        chat("\"seed\":1.5", "seed", "invalid_type"),
        chat("\"seed\":9223372036854775808", "seed", "integer_above_max_value"),
        chat("\"n\":0", "n", "integer_below_min_value"),
        chat("\"n\":9", "n", "integer_above_max_value", says: "between 1 and 8"),
        chat("\"n\":\"2\"", "n", "invalid_type"),
        chat("\"max_tokens\":0", "max_tokens", "integer_below_min_value"),
        chat("\"max_tokens\":-5", "max_tokens", "integer_below_min_value"),
        chat("\"max_completion_tokens\":0", "max_completion_tokens", "integer_below_min_value"),
        chat("\"max_tokens\":4294967296", "max_tokens", "integer_above_max_value"),
        chat("\"max_tokens\":250", "messages", "context_length_exceeded", says: "250"),
        chat("\"min_tokens\":-1", "min_tokens", "integer_below_min_value"),
        chat("\"min_tokens\":9,\"max_tokens\":8", "min_tokens", "integer_above_max_value", says: "8"),
        chat("\"stop\":\"\"", "stop", "invalid_value"),
        chat("\"stop\":5", "stop", "invalid_type"),
        chat("\"stop\":[\"a\",5]", "stop[1]", "invalid_type"),
        chat("\"stop\":[\"a\",\"\"]", "stop[1]", "invalid_value"),
        chat(
            "\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]", "stop", "array_above_max_length",
            says: "8"),
        chat(
            "\"stop\":\"\(String(repeating: "é", count: 33))\"", "stop", "string_above_max_length", says: "64"),
        chat("\"stop_token_ids\":[-1]", "stop_token_ids[0]", "integer_below_min_value"),
        chat("\"stop_token_ids\":[1,259]", "stop_token_ids[1]", "integer_above_max_value", says: "258"),
        chat("\"stop_token_ids\":[\"a\"]", "stop_token_ids[0]", "invalid_type"),
        chat("\"logit_bias\":[]", "logit_bias", "invalid_type"),
        chat("\"logit_bias\":{\"x\":1}", "logit_bias", "invalid_value"),
        chat("\"logit_bias\":{\"01\":1}", "logit_bias", "invalid_value"),
        chat("\"logit_bias\":{\"-1\":1}", "logit_bias.-1", "integer_below_min_value"),
        chat("\"logit_bias\":{\"259\":1}", "logit_bias.259", "integer_above_max_value"),
        chat("\"logit_bias\":{\"5\":101}", "logit_bias.5", "decimal_above_max_value"),
        chat("\"logit_bias\":{\"5\":\"1\"}", "logit_bias.5", "invalid_type"),
        chat("\"logprobs\":1", "logprobs", "invalid_type"),
        chat("\"top_logprobs\":2", "top_logprobs", "invalid_value"),
        chat("\"logprobs\":true,\"top_logprobs\":21", "top_logprobs", "integer_above_max_value", says: "20"),
        chat("\"prompt_logprobs\":21", "prompt_logprobs", "integer_above_max_value"),
        chat("\"prompt_logprobs\":1,\"stream\":true", "prompt_logprobs", "invalid_value"),
        chat("\"stream\":\"yes\"", "stream", "invalid_type"),
        chat("\"stream_options\":{\"include_usage\":true}", "stream_options", "invalid_value"),
        chat("\"stream\":true,\"stream_options\":true", "stream_options", "invalid_type"),
        chat(
            "\"stream\":true,\"stream_options\":{\"include_usage\":1}", "stream_options.include_usage", "invalid_type"),
        chat("\"priority\":5000", "priority", "integer_above_max_value"),
        chat("\"cache_salt\":\"\"", "cache_salt", "invalid_value"),
        chat("\"cache_salt\":7", "cache_salt", "invalid_type"),
        chat("\"ignore_eos\":0", "ignore_eos", "invalid_type"),
        chat("\"user\":5", "user", "invalid_type"),
        chat("\"metadata\":\"x\"", "metadata", "invalid_type"),
        chat("\"add_generation_prompt\":\"no\"", "add_generation_prompt", "invalid_type"),
        chat(
            "\"add_generation_prompt\":true,\"continue_final_message\":true", "add_generation_prompt", "invalid_value"),
        chat("\"continue_final_message\":1", "continue_final_message", "invalid_type"),
        chat("\"chat_template_kwargs\":[]", "chat_template_kwargs", "invalid_type"),
        chat("\"chat_template_kwargs\":{\"messages\":[]}", "chat_template_kwargs.messages", "invalid_value"),
        chat(
            "\"chat_template_kwargs\":{\"chat_template\":\"\"}", "chat_template_kwargs.chat_template", "invalid_value"),
        chat("\"chat_template_kwargs\":{\"a.b\":1}", "chat_template_kwargs", "invalid_value", says: "a.b"),
        chat("\"chat_template_kwargs\":{\"1a\":1}", "chat_template_kwargs", "invalid_value"),
        chat(
            "\"chat_template_kwargs\":{\"a\":\(String(repeating: "[", count: 9))\(String(repeating: "]", count: 9))}",
            "chat_template_kwargs.a", "invalid_value", says: "deeper than 8"),
        chat(
            "\"chat_template_kwargs\":{\((0...64).map { "\"a\($0)\":1" }.joined(separator: ","))}",
            "chat_template_kwargs", "array_above_max_length"),
        // Of two that are refused, the first of the table is named, wherever they stand.
        chat("\"echo\":true,\"functions\":[{}]", "functions", "unsupported_parameter"),
    ]

    static let refused: [Row] = [
        ("functions", "[{}]"),
        ("function_call", "\"auto\""), ("guided_decoding_backend", "\"outlines\""),
        ("guided_whitespace_pattern", "\" \""),
        ("audio", "{}"), ("modalities", "[\"text\",\"audio\"]"), ("chat_template", "\"x\""),
        ("best_of", "2"),
        ("use_beam_search", "true"), ("length_penalty", "2"), ("web_search_options", "{}"), ("echo", "true"),
        ("truncate_prompt_tokens", "5"),
        ("allowed_token_ids", "[1]"), ("bad_words", "[\"x\"]"), ("documents", "[{}]"),
        ("logits_processors", "[\"x\"]"), ("mirostat", "2"), ("typical_p", "0.5"),
    ].map { chat("\"\($0)\":\($1)", $0, "unsupported_parameter", says: $0) }

    /// Constraints on the answer: field, its value, parameter named, code, what the message says.
    static let constraints: [Row] = [
        (#""response_format":"text""#, "response_format", "invalid_type", ""),
        (#""response_format":{}"#, "response_format.type", "missing_required_parameter", ""),
        (#""response_format":{"type":"xml"}"#, "response_format.type", "unsupported_parameter", "json_schema"),
        (
            #""response_format":{"type":"json_schema"}"#, "response_format.json_schema", "missing_required_parameter",
            ""
        ),
        (
            #""response_format":{"type":"json_schema","json_schema":{"name":"a"}}"#,
            "response_format.json_schema.schema", "missing_required_parameter", ""
        ),
        (
            #""response_format":{"type":"json_schema","json_schema":{"schema":{"properties":{"a":{"not":{}}}}}}"#,
            "response_format.json_schema.schema", "unsupported_constraint",
            "at #/properties/a/not: not is not supported"
        ),
        (#""guided_json":[]"#, "guided_json", "invalid_type", ""),
        (#""guided_json":"{""#, "guided_json", "unsupported_constraint", "not valid JSON"),
        (#""guided_regex":7"#, "guided_regex", "invalid_type", ""),
        (#""guided_regex":"a(""#, "guided_regex", "unsupported_constraint", "a group is not closed (character 3)"),
        (#""guided_regex":"(a{1000}){1000}""#, "guided_regex", "unsupported_constraint", "more than 10000"),
        (#""guided_choice":[]"#, "guided_choice", "unsupported_constraint", "at least one"),
        (#""guided_choice":["a",2]"#, "guided_choice", "unsupported_constraint", "[1]"),
        (#""guided_grammar":"x""#, "guided_grammar", "unsupported_constraint", "::="),
        (#""grammar":"root ::= root""#, "grammar", "unsupported_constraint", ""),
        (#""structured_outputs":{}"#, "structured_outputs", "invalid_value", "json, regex"),
        (
            #""structured_outputs":{"structural_tag":"x"}"#, "structured_outputs.structural_tag",
            "unsupported_parameter", ""
        ),
        (
            #""structured_outputs":{"json":{"type":"odd"}}"#, "structured_outputs.json", "unsupported_constraint",
            "#/type"
        ),
        (#""guided_regex":"a","guided_choice":["a"]"#, "guided_choice", "invalid_value", "guided_regex"),
        (#""guided_regex":"a","ignore_eos":true"#, "guided_regex", "invalid_value", "ignore_eos"),
    ].map { chat($0.0, $0.1, $0.2, says: $0.3) }

    static let completions: [Row] = [
        Row(
            path: "/v1/completions", body: "{\"model\":\"tiny\"}", parameter: "prompt",
            code: "missing_required_parameter"),
        prompt("\"\"", "prompt", "invalid_value", says: "empty"),
        prompt("[]", "prompt", "empty_array"),
        prompt("5", "prompt", "invalid_type"),
        prompt("{}", "prompt", "invalid_type"),
        prompt("[\"a\",1]", "prompt[1]", "invalid_type"),
        prompt("[\"a\",\"\"]", "prompt[1]", "invalid_value"),
        prompt("[1,\"a\"]", "prompt[1]", "invalid_type"),
        prompt("[1,-1]", "prompt[1]", "integer_below_min_value"),
        prompt("[1,259]", "prompt[1]", "integer_above_max_value", says: "258"),
        prompt("[1,1e30]", "prompt[1]", "integer_above_max_value"),
        prompt("[1.5]", "prompt[0]", "invalid_type"),
        prompt("[[1],\"a\"]", "prompt[1]", "invalid_type"),
        prompt("[[1],[]]", "prompt[1]", "invalid_value"),
        prompt("[[]]", "prompt", "invalid_value"),
        prompt("[[1],[2,300]]", "prompt[1][1]", "integer_above_max_value"),
        prompt("[null]", "prompt[0]", "invalid_type"),
        prompt(
            "[" + Array(repeating: "\"a\"", count: 129).joined(separator: ",") + "]", "prompt", "array_above_max_length"
        ),
        prompt(
            "[" + Array(repeating: "\"a\"", count: 64).joined(separator: ",") + "],\"n\":5", "n",
            "integer_above_max_value", says: "320"),
        prompt("\"\(String(repeating: "x", count: 257))\"", "prompt", "context_length_exceeded", says: "257"),
        completion("\"suffix\":\"x\"", "suffix", "unsupported_parameter"),
        completion("\"best_of\":2", "best_of", "unsupported_parameter"),
        completion("\"best_of\":1,\"n\":2", "best_of", "unsupported_parameter"),
        completion("\"best_of\":0", "best_of", "integer_below_min_value"),
        completion("\"logprobs\":21", "logprobs", "integer_above_max_value"),
        completion("\"logprobs\":true", "logprobs", "invalid_type"),
        completion("\"logprobs\":-1", "logprobs", "integer_below_min_value"),
        completion("\"echo\":\"x\"", "echo", "invalid_type"),
        completion("\"max_tokens\":0", "max_tokens", "integer_below_min_value"),
        completion("\"max_tokens\":255", "prompt", "context_length_exceeded"),
    ]

    static let tokens: [Row] = [
        Row(path: "/tokenize", body: "{}", parameter: "prompt", code: "missing_required_parameter"),
        Row(path: "/tokenize", body: "{\"prompt\":5}", parameter: "prompt", code: "invalid_type"),
        Row(
            path: "/tokenize", body: "{\"messages\":[{}]}", parameter: "messages[0].role",
            code: "missing_required_parameter"),
        Row(
            path: "/tokenize", body: "{\"prompt\":\"a\",\"model\":\"x\"}", status: 404, parameter: "model",
            code: "model_not_found"),
        Row(path: "/detokenize", body: "{}", parameter: "tokens", code: "missing_required_parameter"),
        Row(path: "/detokenize", body: "{\"tokens\":\"a\"}", parameter: "tokens", code: "invalid_type"),
        Row(path: "/detokenize", body: "{\"tokens\":[1,999]}", parameter: "tokens[1]", code: "integer_above_max_value"),
    ]

    @Test(arguments: [bodies, conversations, sampling, refused, constraints, completions, tokens].flatMap(\.self))
    func `a bad request is refused at once, naming what and how much`(row: Row) throws {
        let desk = Desk()
        let exchange = desk.post(row.path, row.body)

        let error = try ErrorBody(exchange)
        #expect(exchange.status == row.status)
        #expect(error.parameter == row.parameter)
        #expect(error.code == row.code)
        #expect(error.type == (row.status == 404 ? "not_found_error" : "invalid_request_error"))
        #expect(row.says.isEmpty || error.message.contains(row.says), "\(error.message)")
        #expect(desk.service.submitted.isEmpty)
        #expect(exchange.isFinished)
    }

    @Test func `bytes that are not UTF-8 are refused at their place`() throws {
        let desk = Desk()
        let exchange = desk.send(
            "POST", "/v1/completions",
            body: .success(Array(#"{"model":"tiny","prompt":"a"#.utf8) + [0xFF] + Array(#""}"#.utf8)))
        let error = try ErrorBody(exchange)
        #expect(exchange.status == 400)
        #expect(error.message.contains("UTF-8") && error.message.contains("byte 27"), "\(error.message)")
    }

    @Test func `a text that cannot fit is refused before it is tokenized`() throws {
        let desk = Desk()
        let text = String(repeating: "x", count: 200_000)
        for (path, body) in [
            ("/v1/completions", #"{"prompt":["a","\#(text)"]}"#),
            ("/v1/chat/completions", #"{"messages":[{"role":"user","content":"\#(text)"}]}"#),
        ] {
            let exchange = desk.post(path, body)
            desk.offloaded.runAll()
            desk.loop.run()
            let error = try ErrorBody(exchange)
            #expect(error.code == "context_length_exceeded")
            #expect(error.message.contains("tokens at least") && error.message.contains("256"), "\(error.message)")
        }
    }

    @Test func `a model without a template refuses chats and says where to go`() throws {
        let desk = Desk(models: [.tiny(hasTemplate: false)])
        let error = try ErrorBody(desk.chat())
        #expect(error.code == "chat_template_missing")
        #expect(error.message.contains("/v1/completions"))
    }

    @Test func `with two models one must be named`() throws {
        let desk = Desk(models: [.tiny(), .tiny(name: "other")])
        let exchange = desk.post("/v1/completions", #"{"prompt":"Hi"}"#)
        #expect(try ErrorBody(exchange).parameter == "model")
        #expect(exchange.status == 400)
    }
}

/// An error as clients read it; throws when a key is missing.
struct ErrorBody {
    var message: String
    var type: String
    var parameter: String?
    var code: String?

    init(_ exchange: RecordingExchange) throws { try self.init(Data(exchange.written)) }

    init(_ data: Data) throws {
        let body = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let error = try #require(body["error"] as? [String: Any])
        #expect(Set(error.keys) == ["message", "type", "param", "code"])
        message = try #require(error["message"] as? String)
        type = try #require(error["type"] as? String)
        parameter = error["param"] as? String
        code = error["code"] as? String
    }
}
