import Foundation
import HTTP
import Inference
import NIOCore
import NIOEmbedded
import Serving
import Telemetry
import TestSupport
import Testing

@testable import API

/// The Open Inference Protocol over HTTP: what goes in, what comes out, what is refused.
@Suite struct KServeRESTTests {
    static let usage = Usage(promptTokens: 2, completionTokens: 3, cachedTokens: 0)
    static let infer = "/v2/models/tiny/infer"

    /// The body of `infer` with a prompt, `more` inputs and `parameters`.
    static func body(_ more: String = "", parameters: String = "", rest: String = "") -> String {
        let parameters = parameters.isEmpty ? "" : #","parameters":{\#(parameters)}"#
        return
            #"{"inputs":[{"name":"text_input","shape":[1],"datatype":"BYTES","data":["Hi"]}\#(more)]\#(parameters)\#(rest)}"#
    }

    static func flag(_ name: String) -> String {
        #",{"name":"\#(name)","shape":[1],"datatype":"BOOL","data":[true]}"#
    }

    /// The body of `infer` with sampling parameters in their tensor.
    static func sampling(_ json: String) -> String {
        let text = json.replacingOccurrences(of: #"""#, with: #"\""#)
        return body(#",{"name":"sampling_parameters","shape":[1],"datatype":"BYTES","data":["{\#(text)}"]}"#)
    }

    static let wishes = [
        #""seed":7"#, #""seed":7,"max_tokens":3,"temperature":0.25,"top_p":0.5,"top_k":4,"min_p":0.1"#,
        #""seed":-1,"n":3,"stop":"x","repetition_penalty":1.5,"presence_penalty":-1,"frequency_penalty":2"#,
        #""seed":1,"stop":["a","bc"],"ignore_eos":true,"min_tokens":2,"stop_token_ids":[5],"cache_salt":"s""#,
        #""seed":2,"logit_bias":{"65":-3},"include_stop_str_in_output":true,"skip_special_tokens":false"#,
        #""seed":3,"add_special_tokens":false,"user":"u","best_of":1"#,
    ]

    @Test(arguments: wishes) func `the service is asked the same as by completions`(wish: String) throws {
        let desk = Desk(models: [.tiny(addsBOS: true)])
        desk.post("/v1/completions", #"{"model":"tiny","prompt":"Hi",\#(wish)}"#)
        desk.post(Self.infer, Self.body(parameters: wish))
        desk.post(Self.infer, Self.sampling(wish))
        desk.post("/v2/models/tiny/generate", #"{"text_input":"Hi",\#(wish)}"#)
        desk.post("/v2/models/tiny/versions/1/generate", #"{"text_input":"Hi","parameters":{\#(wish)}}"#)
        desk.post("/v2/models/tiny/generate", #"{"text_input":["Hi"],"sampling_parameters":{\#(wish)}}"#)

        #expect(desk.service.submitted.count == 6)
        let wanted = try #require(desk.service.submitted.first)
        for asked in desk.service.submitted {
            #expect(asked.model == wanted.model && asked.prompts == wanted.prompts)
            #expect(asked.sampling == wanted.sampling && asked.choiceCount == wanted.choiceCount)
            #expect(asked.stopStrings == wanted.stopStrings && asked.salt == wanted.salt)
            #expect(asked.includesStopString == wanted.includesStopString)
            #expect(asked.skipsSpecialTokens == wanted.skipsSpecialTokens)
            #expect(asked.priority == wanted.priority)
        }
    }

    @Test func `the server and its models are told, by names with slashes and versions too`() throws {
        let desk = Desk(models: [.tiny(), .tiny(name: "org/away")])
        desk.service.unreadyModels = ["org/away"]
        func json(_ path: String) throws -> [String: Any] {
            let exchange = desk.get(path)
            #expect(exchange.status == 200, "\(path)")
            return try #require(try JSONSerialization.jsonObject(with: Data(exchange.written)) as? [String: Any])
        }
        #expect(try json("/v2")["version"] as? String == "1.2.3")
        #expect(try json("/v2/models")["models"] as? [String] == ["tiny", "org/away"])
        for path in ["/v2/models/org/away", "/v2/models/org%2Faway/versions/1"] {
            #expect(try json(path)["name"] as? String == "org/away")
        }
        let tensors = try json("/v2/models/tiny")["inputs"] as? [[String: Any]]
        #expect(tensors?.compactMap { $0["name"] as? String } == TextInput.allCases.map(\.rawValue))
        #expect(tensors?.first?["datatype"] as? String == "BYTES")
        let configured = try json("/v2/models/tiny/config")["output"] as? [[String: Any]]
        #expect(configured?.first?["data_type"] as? String == "TYPE_STRING")
        #expect(desk.get("/v2/models/tiny/ready").text == #"{"name":"tiny","ready":true}"#)
        #expect(desk.get("/v2/models/org/away/ready").status == 503)
        #expect(desk.get("/v2/models/tiny/trace/setting").text == #"{"trace_level":["OFF"]}"#)
        #expect(desk.post("/v2/trace/setting", #"{"trace_level":["OFF"]}"#).status == 200)
        #expect(
            desk.post("/v2/repository/index", #"{"ready":true}"#).text
                == #"[{"name":"tiny","version":"1","state":"READY","reason":""}]"#)
        #expect(desk.send("POST", "/v2/repository/index", body: .success([])).text.contains("UNAVAILABLE"))
    }

    @Test(
        arguments: [
            ("GET", "/v2/models/tiny/infer", "POST"), ("POST", "/v2/models/tiny/ready", "GET, HEAD"),
            ("GET", "/v2/models/tiny/versions/1/generate_stream", "POST"), ("POST", "/v2/models/tiny", "GET, HEAD"),
            ("DELETE", "/v2/models/tiny/trace/setting", "GET, HEAD, POST"), ("PUT", "/v2", "GET, HEAD"),
        ])
    func `a path has its own methods, and says so in a sentence`(method: String, path: String, allow: String) throws {
        let exchange = Desk().send(method, path, body: .success([]))
        #expect(exchange.status == 405 && exchange.header("allow") == allow)
        #expect(exchange.text.hasPrefix(#"{"error":""#))
    }

    @Test func `numbers may be spelled as text, as Triton's clients do`() throws {
        let desk = Desk()
        desk.post(Self.infer, Self.sampling(#""temperature":"0.25","max_tokens":"3","ignore_eos":"True","stop":"7""#))
        let sampling = try #require(desk.service.submitted.first)
        #expect(sampling.sampling.temperature == 0.25 && sampling.sampling.maxTokens == 3)
        #expect(sampling.sampling.stopTokens.isEmpty && sampling.stopStrings == ["7"])
    }

    @Test func `an answer has the outputs that were asked for`() {
        let desk = Desk()
        let more = ["finish_reason", "num_input_tokens", "num_output_tokens", "cumulative_logprob"]
        let exchange = desk.post(
            Self.infer, Self.body(more.map { Self.flag("return_\($0)") }.joined(), rest: #","id":"q\"1""#))
        desk.service.produce(
            .admitted(choice: 0, numericsID: "x"),
            .delta(
                choice: 0, text: "yes\n", tokens: [121, 101], logprobs: [logged("y", -0.5), logged("es\n", -0.25)]),
            .choiceFinished(choice: 0, .stop(nil)), .finished(Self.usage))
        #expect(exchange.status == 200 && exchange.header("content-type") == "application/json")
        #expect(
            exchange.text == #"{"model_name":"tiny","model_version":"1","id":"q\"1","outputs":["#
                + #"{"name":"text_output","datatype":"BYTES","shape":[1],"data":["yes\n"]},"#
                + #"{"name":"finish_reason","datatype":"BYTES","shape":[1],"data":["stop"]},"#
                + #"{"name":"cumulative_logprob","datatype":"FP32","shape":[1],"data":[-0.75]},"#
                + #"{"name":"num_input_tokens","datatype":"UINT32","shape":[1],"data":[2]},"#
                + #"{"name":"num_output_tokens","datatype":"UINT32","shape":[1],"data":[3]}]}"#)
    }

    @Test func `tensors may follow the JSON as bytes, in and out`() throws {
        let desk = Desk()
        let json =
            #"{"inputs":[{"name":"text_input","shape":[2,1],"datatype":"BYTES","parameters":{"binary_data_size":11}},"#
            + #"{"name":"stream","shape":[1],"datatype":"BOOL","parameters":{"binary_data_size":1}}],"#
            + #""parameters":{"binary_data_output":true,"max_tokens":2},"outputs":[{"name":"finish_reason","#
            + #""parameters":{"binary_data":false}},{"name":"text_output"}]}"#
        let header = [HTTPField("inference-header-content-length", String(json.utf8.count))]
        let binary: [UInt8] = [2, 0, 0, 0, 0x48, 0x69, 1, 0, 0, 0, 0x6f, 0]
        let exchange = desk.send("POST", Self.infer, headers: header, body: .success(Array(json.utf8) + binary))
        #expect(desk.service.submitted.first?.prompts == [[0x48, 0x69], [0x6f]])
        desk.service.produce(
            .delta(choice: 1, text: "bc", tokens: [1], logprobs: []),
            .delta(choice: 0, text: "a", tokens: [1], logprobs: []), .choiceFinished(choice: 1, .length),
            .choiceFinished(choice: 0, .stop("x")), .finished(Self.usage))

        let length = try #require(exchange.header("inference-header-content-length").flatMap { Int($0) })
        #expect(exchange.header("content-type") == "application/octet-stream")
        #expect(
            String(decoding: exchange.written[..<length], as: UTF8.self)
                == #"{"model_name":"tiny","model_version":"1","outputs":["#
                + #"{"name":"finish_reason","datatype":"BYTES","shape":[2,1],"data":["stop","length"]},"#
                + #"{"name":"text_output","datatype":"BYTES","shape":[2,1],"parameters":{"binary_data_size":11}}]}"#)
        #expect(exchange.written[length...] == [1, 0, 0, 0, 0x61, 2, 0, 0, 0, 0x62, 0x63])
    }

    @Test func `token ids come back as token ids`() {
        let desk = Desk()
        let ids = #"{"inputs":[{"name":"input_ids","shape":[1,2],"datatype":"INT32","data":[[72,105]]}]}"#
        let exchange = desk.post(Self.infer, ids)
        #expect(desk.service.submitted.first?.prompts == [[72, 105]])
        desk.service.produce(
            .delta(choice: 0, text: "ok", tokens: [111, 107], logprobs: []), .choiceFinished(choice: 0, .length),
            .finished(Self.usage))
        #expect(exchange.text.contains(#"{"name":"output_ids","datatype":"INT32","shape":[1,2],"data":[111,107]}"#))
    }

    @Test func `generate answers with one object, and with the prompt in front if that is wanted`() {
        let desk = Desk()
        let exchange = desk.post(
            "/v2/models/tiny/generate",
            #"{"id":"7","text_input":"Hi","exclude_input_in_output":false,"parameters":{"return_finish_reason":true}}"#)
        desk.service.produce(
            .delta(choice: 0, text: " there", tokens: [1], logprobs: []), .choiceFinished(choice: 0, .length),
            .finished(Self.usage))
        #expect(
            exchange.text == #"{"model_name":"tiny","model_version":"1","id":"7","text_output":"Hi there","#
                + #""finish_reason":"length"}"#)

        let two = desk.post("/v2/models/tiny/generate", #"{"text_input":["a","b"]}"#)
        desk.service.produce(.delta(choice: 1, text: "B", tokens: [1], logprobs: []), .finished(Self.usage))
        #expect(two.text.hasSuffix(#""text_output":["","B"]}"#))
    }

    @Test func `a stream has an event for each piece, comments while it waits, and no mark at its end`() {
        let desk = Desk()
        let exchange = desk.post("/v2/models/tiny/generate_stream", #"{"text_input":"Hi","stream":true}"#)
        #expect(exchange.header("content-type") == "text/event-stream")
        desk.loop.advanceTime(by: .seconds(10))
        desk.service.produce(
            .admitted(choice: 0, numericsID: "x"), .delta(choice: 0, text: "a", tokens: [1], logprobs: []),
            .delta(choice: 0, text: "b", tokens: [2], logprobs: []), .choiceFinished(choice: 0, .length),
            .finished(Self.usage))
        let head = #"data: {"model_name":"tiny","model_version":"1","text_output":"#
        #expect(exchange.text == ": keep-alive\n\n" + head + "\"a\"}\n\n" + head + "\"b\"}\n\n")
        #expect(exchange.isFinished)

        let whole = desk.post(
            "/v2/models/tiny/generate_stream",
            #"{"text_input":"Hi","stream":false,"return_finish_reason":true}"#)
        desk.service.produce(
            .delta(choice: 0, text: "a", tokens: [1], logprobs: []),
            .delta(choice: 0, text: "b", tokens: [2], logprobs: []), .choiceFinished(choice: 0, .length),
            .finished(Self.usage))
        #expect(whole.text == head + #""ab","finish_reason":"length"}"# + "\n\n")
    }

    @Test func `a stream that fails says so in an event, an answer by its status`() {
        let desk = Desk()
        let stream = desk.post("/v2/models/tiny/generate_stream", #"{"text_input":"Hi"}"#)
        desk.service.produce(.failed(.timedOut(afterSeconds: 5)))
        #expect(stream.text == "data: {\"error\":\"The request was given up after 5.0 s.\"}\n\n")
        #expect(stream.isFinished)

        let whole = desk.post(Self.infer, Self.body())
        desk.service.produce(.failed(.timedOut(afterSeconds: 5)))
        #expect(whole.status == 503 && whole.text == #"{"error":"The request was given up after 5.0 s."}"#)

        desk.service.refusal = .queueFull(limit: 9, retryAfterSeconds: 4)
        let refused = desk.post("/v2/models/tiny/generate_stream", #"{"text_input":"Hi"}"#)
        #expect(refused.status == 429 && refused.header("retry-after") == "4")
        #expect(refused.header("content-type") == "application/json")
    }

    @Test(arguments: [
        (ServeError.queueFull(limit: 9, retryAfterSeconds: 4), "REJECTED"),
        (.queueFull(limit: 9, share: .tenant, retryAfterSeconds: 4), "REJECTED"),
        (.queueSlow(expectedSeconds: 40, limitSeconds: 30, retryAfterSeconds: 40), "REJECTED"),
        (.shuttingDown, "REJECTED"), (.unavailable("Nobody is there."), "REJECTED"),
        (.internalFailure("It broke."), "BACKEND"), (.timedOut(afterSeconds: 5), "OTHER"),
    ])
    func `a failure is counted by what was to blame`(error: ServeError, reason: String) {
        let desk = Desk()
        desk.service.refusal = error
        desk.post(Self.infer, Self.body())
        #expect(Self.failures(desk) == [reason])
    }

    /// One that was read. Over the allowance of requests nothing is, and no model has a failure.
    @Test(arguments: [("pair", ["REJECTED"]), ("few", [])])
    func `a request over its key's limits is counted as rejected`(key: String, reasons: [String]) {
        let desk = Desk(access: AccessControl(AccessTests.keys))
        for _ in 0..<2 { desk.post(Self.infer, Self.body(), headers: AccessTests.bearer(key)) }
        #expect(Self.failures(desk).isEmpty)
        let refused = desk.post(Self.infer, Self.body(), headers: AccessTests.bearer(key))
        #expect(refused.status == 429 && Self.failures(desk) == reasons)
    }

    /// The reasons for which requests have failed.
    static func failures(_ desk: Desk) -> [String] {
        ["REJECTED", "CANCELED", "BACKEND", "OTHER"].flatMap { reason in
            let failures = desk.metrics.counter(.inferFailure, labels: ["tiny", "1", reason])
            return Array(repeating: reason, count: failures.value)
        }
    }

    @Test func `a client that leaves is cancelled, streamed or not`() {
        for path in ["infer", "generate_stream"] {
            let desk = Desk()
            let exchange = desk.post(
                "/v2/models/tiny/\(path)", path == "infer" ? Self.body() : #"{"text_input":"Hi"}"#)
            desk.service.produce(.admitted(choice: 0, numericsID: "x"))
            exchange.onClientGone?()
            #expect(desk.service.cancelled == [RequestID(1)])
            let failures = desk.metrics.counter(.inferFailure, labels: ["tiny", "1", "CANCELED"])
            #expect(failures.value == 1)
        }
    }

    @Test func `a reader that is too slow is given up, and its request`() {
        let desk = Desk { $0.unsentByteCountMax = 100 }
        let exchange = desk.post("/v2/models/tiny/generate_stream", #"{"text_input":"Hi"}"#)
        exchange.unsentByteCount = 101
        desk.service.produce(.delta(choice: 0, text: "a", tokens: [1], logprobs: []))
        desk.loop.advanceTime(by: .seconds(10))
        desk.service.produce(.delta(choice: 0, text: "b", tokens: [1], logprobs: []))
        #expect(exchange.isAborted && desk.service.cancelled == [RequestID(1)])
    }
}

/// Every row is refused with its status and a sentence that names what is wrong, before the service hears of it.
@Suite struct KServeBadInputTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var path: String
        var body: String
        var says: String
        var status = 400
        var testDescription: String { "\(path) \(body.suffix(120))" }
    }

    static func infer(_ more: String, parameters: String = "", rest: String = "", _ says: String) -> Row {
        Row(
            path: KServeRESTTests.infer,
            body: KServeRESTTests.body(more, parameters: parameters, rest: rest), says: says)
    }

    static func generate(_ body: String, _ says: String, stream: Bool = false) -> Row {
        Row(path: "/v2/models/tiny/generate" + (stream ? "_stream" : ""), body: body, says: says)
    }

    static func tensor(_ name: String, _ datatype: String, _ shape: String, _ data: String) -> String {
        #",{"name":"\#(name)","datatype":"\#(datatype)","shape":\#(shape),"data":\#(data)}"#
    }

    static let rows: [Row] = [
        Row(path: KServeRESTTests.infer, body: "", says: "empty"),
        Row(path: KServeRESTTests.infer, body: "[]", says: "object"),
        Row(path: KServeRESTTests.infer, body: "{}", says: "inputs is required"),
        Row(path: KServeRESTTests.infer, body: #"{"inputs":[]}"#, says: "text_input is required"),
        Row(path: KServeRESTTests.infer, body: #"{"inputs":[5]}"#, says: "inputs[0] must be an object"),
        Row(path: KServeRESTTests.infer, body: #"{"inputs":[{}]}"#, says: "inputs[0].name is required"),
        Row(path: KServeRESTTests.infer, body: #"{"inputs":[{"name":"x"}]}"#, says: "inputs[0].datatype is required"),
        infer(#",{"name":"stream","datatype":"BOOL"}"#, "inputs[1].shape is required"),
        infer(#",{"name":"stream","datatype":"BOOL","shape":["a"]}"#, "inputs[1].shape[0] must be a whole number"),
        infer(#",{"name":"stream","datatype":"BOOL","shape":[1]}"#, "inputs[1].data is required"),
        infer(tensor("image", "BYTES", "[1]", #"["x"]"#), #""image" is no input"#),
        infer(tensor("text_input", "BYTES", "[1]", #"["x"]"#), "text_input is given twice"),
        infer(tensor("input_ids", "INT64", "[1]", "[1]"), "must not both be given"),
        infer(tensor("stream", "BOOL", "[2]", "[true,false]"), "stream must have the shape [1]"),
        infer(tensor("stream", "BOOL", "[1]", "[true]"), "stream must be false here"),
        infer(
            tensor("sampling_parameters", "BYTES", "[1]", #"["{"]"#), "sampling_parameters is not valid JSON: byte 1"),
        infer(tensor("sampling_parameters", "BYTES", "[1]", #"["5"]"#), "sampling_parameters must be a JSON object"),
        infer(tensor("sampling_parameters", "BYTES", "[1]", #"["{\"top_p\":2}"]"#), "top_p must be between 0 and 1"),
        infer("", parameters: #""temperature":9"#, "temperature must be between 0 and 2"),
        infer("", parameters: #""max_tokens":0"#, "max_tokens must be between 1"),
        infer("", parameters: #""max_tokens":"many""#, "max_tokens must be a whole number"),
        infer(
            tensor("sampling_parameters", "BYTES", "[1]", #"["{\"seed\":2}"]"#), parameters: #""seed":1"#,
            "seed is given twice"),
        infer("", parameters: #""max_tokens":500"#, "500 are asked for"),
        infer("", parameters: #""echo":true"#, "exclude_input_in_output"),
        infer("", parameters: #""use_beam_search":true"#, "use_beam_search is not supported"),
        infer("", parameters: #""prompt_logprobs":1"#, "prompt_logprobs is not supported"),
        infer("", parameters: #""best_of":3"#, "best_of is not supported"),
        infer("", parameters: #""sequence_id":7"#, "sequence_id is not supported"),
        infer("", parameters: #""sequence_start":true"#, "sequence_start is not supported"),
        infer("", parameters: #""priority":1"#, "priority is not supported"),
        infer("", parameters: #""timeout":-1"#, "timeout must be between 0"),
        infer("", parameters: #""triton_secret":1"#, "triton_secret is not supported"),
        infer("", parameters: #""binary_data_output":1"#, "binary_data_output must be a boolean"),
        infer("", rest: #","id":5"#, "id must be a string"),
        infer("", rest: #","id":"\#(String(repeating: "i", count: 1_025))""#, "id may have 1024 bytes"),
        infer("", rest: #","outputs":[{"name":"logits"}]"#, #""logits" is no output"#),
        infer("", rest: #","outputs":[{"name":"text_output","parameters":{"classification":2}}]"#, "classification"),
        infer(
            "", rest: #","outputs":[{"name":"text_output","parameters":{"shared_memory_region":"r"}}]"#,
            "shared_memory_region is not supported"),
        infer("", parameters: #""n":2"#, rest: #","outputs":[{"name":"output_ids"}]"#, "2 answers differ in length"),
        infer(
            #",{"name":"stream","datatype":"BOOL","shape":[1],"parameters":{"binary_data_size":1}}"#,
            "inputs[1].parameters.binary_data_size is 1, but 0 bytes are left"),
        infer(
            #",{"name":"stream","datatype":"BOOL","shape":[1],"data":[true],"parameters":{"binary_data_size":1}}"#,
            "inputs[1].data must not be given beside binary_data_size"),
        Row(
            path: KServeRESTTests.infer,
            body: #"{"inputs":[{"name":"text_input","shape":[1,2],"datatype":"BYTES","data":["a","b"]}]}"#,
            says: "text_input must have the shape [n] or [n,1]"),
        Row(
            path: KServeRESTTests.infer,
            body:
                #"{"inputs":[{"name":"text_input","shape":[129],"datatype":"BYTES","data":[\#(Array(repeating: "\"a\"", count: 129).joined(separator: ","))]}]}"#,
            says: "text_input may have 128 elements"),
        Row(
            path: KServeRESTTests.infer,
            body: #"{"inputs":[{"name":"text_input","shape":[2],"datatype":"BYTES","data":["a",""]}]}"#,
            says: "text_input[1] is empty"),
        Row(
            path: KServeRESTTests.infer,
            body: #"{"inputs":[{"name":"input_ids","shape":[2],"datatype":"INT64","data":[1,259]}]}"#,
            says: "input_ids[1] must be between 0 and 258"),
        Row(
            path: KServeRESTTests.infer,
            body: #"{"inputs":[{"name":"input_ids","shape":[2,1],"datatype":"INT64","data":[1,2]}]}"#,
            says: "input_ids must have the shape [n] or [1,n]"),
        generate("{}", "text_input is required"),
        generate(#"{"text_input":5}"#, "text_input must be a string"),
        generate(#"{"text_input":[]}"#, "text_input is empty"),
        generate(#"{"text_input":["a",2]}"#, "text_input[1] must be a string"),
        generate(#"{"input_ids":["a"]}"#, "input_ids[0] must be a whole number"),
        generate(#"{"text_input":"a","stream":true}"#, "stream must be false here"),
        generate(#"{"text_input":"a","stream":1}"#, "stream must be a boolean"),
        generate(#"{"text_input":"a","parameters":5}"#, "parameters must be an object"),
        generate(#"{"text_input":"a","temperature":9}"#, "temperature must be between 0 and 2"),
        generate(#"{"text_input":"a","temperature":1,"parameters":{"temperature":1}}"#, "temperature is given twice"),
        generate(#"{"text_input":"a","sampling_parameters":5}"#, "sampling_parameters must be a string"),
        generate(#"{"text_input":"a","details":true}"#, "details is not supported"),
        generate(#"{"text_input":"a","n":2}"#, "2 answers, not one", stream: true),
        generate(#"{"text_input":["a","b"]}"#, "2 answers, not one", stream: true),
        generate(#"{"text_input":"a","exclude_input_in_output":false}"#, "must not be false", stream: true),
        Row(path: "/v2/models/nobody/infer", body: "{}", says: #""nobody" does not exist"#, status: 404),
        Row(path: "/v2/models/tiny/versions/2/infer", body: "{}", says: #"not "2""#, status: 404),
        Row(path: "/v2/repository/models/tiny/load", body: "{}", says: "apus worker", status: 501),
        Row(path: "/v2/repository/models/tiny/unload", body: "{}", says: "apus worker", status: 501),
        Row(path: "/v2/repository/index", body: #"{"ready":1}"#, says: "ready must be a boolean"),
        Row(path: "/v2/logging", body: #"{"log_info":false}"#, says: "--log-level", status: 501),
        Row(path: "/v2/trace/setting", body: #"{"trace_level":["TIMESTAMPS"]}"#, says: "OFF", status: 501),
        Row(path: "/v2/trace/setting", body: #"{"trace_rate":"1"}"#, says: "OFF", status: 501),
    ]

    @Test(arguments: rows) func `what is wrong is said in a sentence`(row: Row) throws {
        let desk = Desk()
        let exchange = desk.post(row.path, row.body)
        #expect(exchange.status == row.status && exchange.isFinished)
        let body = try #require(
            try JSONSerialization.jsonObject(with: Data(exchange.written)) as? [String: String], "\(exchange.text)")
        #expect(body.keys.sorted() == ["error"])
        #expect(body["error"]?.contains(row.says) == true, "\(body)")
        #expect(desk.service.submitted.isEmpty)
    }

    @Test(
        arguments: [
            ("-1", "0 to the body's"), ("x", "but is x"), ("99999", "but is 99999"), ("0", "the data of a model's one"),
            ("40", "not valid JSON"), ("127", "1 bytes follow"),
        ])
    func `where the JSON ends must be true`(length: String, says: String) {
        let desk = Desk()
        let body = Array(KServeRESTTests.body(parameters: #""max_tokens":3,"temperature":0.5"#).utf8)
        #expect(body.count == 127, "the rows count on it")
        let exchange = desk.send(
            "POST", KServeRESTTests.infer, headers: [HTTPField("inference-header-content-length", length)],
            body: .success(body + [0]))
        #expect(exchange.status == 400 && exchange.text.contains(says), "\(exchange.text)")
    }

    @Test func `a compressed body is refused by the name of its coding, JSON need not be called so`() {
        let desk = Desk()
        for path in [KServeRESTTests.infer, "/v1/completions"] {
            let exchange = desk.send(
                "POST", path, headers: [HTTPField("content-encoding", "gzip")], body: .success([0x1f, 0x8b]))
            #expect(exchange.status == 415 && exchange.text.contains("gzip"))
        }
        let form = desk.send(
            "POST", "/v2/models/tiny/generate",
            headers: [HTTPField("content-type", "application/x-www-form-urlencoded")],
            body: .success(Array(#"{"text_input":"Hi"}"#.utf8)))
        #expect(form.status == nil && desk.service.submitted.count == 1)
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func `damaged bodies never hurt`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let json =
            #"{"id":"1","inputs":[{"name":"text_input","shape":[1],"datatype":"BYTES","parameters":"#
            + #"{"binary_data_size":6}},{"name":"stream","shape":[1],"datatype":"BOOL","data":[false]}],"#
            + #""parameters":{"binary_data_output":true,"temperature":0.5},"outputs":[{"name":"text_output"}]}"#
        let whole = Array(json.utf8) + [2, 0, 0, 0, 0x48, 0x69]
        let model = ServedModel.tiny()
        for _ in 0..<400 {
            var body = whole
            for _ in 0..<random.below(3) + 1 {
                let at = random.below(body.count)
                switch random.below(3) {
                case 0: body[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: body.removeSubrange(at..<min(body.count, at + 1 + random.below(8)))
                default: body.insert(Array("{}[]\",:\\09.eE-".utf8)[random.below(14)], at: at)
                }
            }
            let length = json.utf8.count + (random.below(3) == 0 ? random.below(9) - 4 : 0)
            let desk = Desk(models: [model])
            let exchange = desk.send(
                "POST", KServeRESTTests.infer,
                headers: [HTTPField("inference-header-content-length", String(length))], body: .success(body))
            #expect((exchange.status == 400) != (desk.service.submitted.count == 1), "\(exchange.status ?? 0)")
        }
    }
}
