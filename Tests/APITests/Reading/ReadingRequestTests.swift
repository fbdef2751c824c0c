import Inference
import Serving
import Testing

@testable import API

/// `/v1/embeddings`, `/v1/rerank` and `/v1/score`: what reaches the service, and what comes back.
@Suite struct ReadingRequestTests {
    static let embedder = ServedModel.tiny(name: "e", contextLength: 16, pooledOutput: .vector(size: 2))
    static let scorer = ServedModel.tiny(name: "s", contextLength: 16, pooledOutput: .score)
    static let usage = Usage(promptTokens: 7, completionTokens: 0, cachedTokens: 0)

    @Test func `an input of each shape becomes texts of tokens`() {
        let desk = Desk(models: [Self.embedder])
        for input in [#""Hi""#, #"["Hi","a"]"#, "[72,105]", "[[72],[105,1]]"] {
            desk.post("/v1/embeddings", #"{"model":"e","input":\#(input),"user":"u","encoding_format":null}"#)
        }

        #expect(
            desk.service.submitted.map(\.prompts)
                == [[[72, 105]], [[72, 105], [97]], [[72, 105]], [[72], [105, 1]]])
        for request in desk.service.submitted {
            #expect(request.pooling == Array(repeating: Pooling(), count: request.prompts.count))
            #expect(request.sampling.maxTokens == 0 && request.choiceCount == 1)
        }
    }

    @Test func `vectors come back in order, as numbers`() {
        let desk = Desk(models: [Self.embedder])
        let exchange = desk.post("/v1/embeddings", #"{"input":["a","b"]}"#)

        desk.service.produce(
            .admitted(choice: 1, numericsID: "x"), .pooled(choice: 1, [0.25, -1]),
            .choiceFinished(choice: 1, .stop(nil)),
            .pooled(choice: 0, [1, 0.1]), .choiceFinished(choice: 0, .stop(nil)), .finished(Self.usage))

        #expect(exchange.status == 200)
        #expect(
            exchange.text == #"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,0.1]},"#
                + #"{"object":"embedding","index":1,"embedding":[0.25,-1.0]}],"model":"e","#
                + #""usage":{"prompt_tokens":7,"total_tokens":7}}"#)
    }

    @Test func `base64 is of little-endian floats, padded`() {
        let desk = Desk(models: [Self.embedder])
        let exchange = desk.post("/v1/embeddings", #"{"input":"a","encoding_format":"base64","dimensions":2}"#)

        desk.service.produce(.pooled(choice: 0, [1, -2.5]), .finished(Self.usage))

        // 0000803f 000020c0
        #expect(exchange.text.contains(#""embedding":"AACAPwAAIMA=""#), "\(exchange.text)")
    }

    @Test func `documents come back best first, as many as are wanted`() {
        let desk = Desk(models: [Self.embedder])
        let body = #"{"query":"q","documents":["a",{"text":"b"},"c","d"],"top_n":3}"#
        let exchanges = [
            desk.post("/v1/rerank", body),
            desk.post("/rerank", String(body.dropLast()) + #","return_documents":false}"#),
        ]
        #expect(desk.service.submitted[0].prompts == [[113], [97], [98], [99], [100]])

        for index in exchanges.indices {
            desk.service.produce(
                to: index, .pooled(choice: 0, [1, 0]), .pooled(choice: 1, [0, 1]), .pooled(choice: 2, [1, 0]),
                .pooled(choice: 3, [1, 0]), .pooled(choice: 4, [-1, 0]), .finished(Self.usage))
        }

        let tail = #""usage":{"prompt_tokens":7,"total_tokens":7}}"#
        #expect(
            exchanges[0].text.hasSuffix(
                #""model":"e","results":[{"index":1,"document":{"text":"b"},"relevance_score":1.0},"#
                    + #"{"index":2,"document":{"text":"c"},"relevance_score":1.0},"#
                    + #"{"index":0,"document":{"text":"a"},"relevance_score":0.0}],\#(tail)"#), "\(exchanges[0].text)")
        #expect(exchanges[0].text.hasPrefix(#"{"id":"rerank-"#))
        #expect(exchanges[1].text.contains(#"[{"index":1,"relevance_score":1.0},"#))
    }

    @Test func `texts are scored one with each, or pair by pair`() {
        let desk = Desk(models: [Self.embedder])
        let one = desk.post("/v1/score", #"{"text_1":"q","text_2":["a","b"]}"#)
        let pairs = desk.post("/score", #"{"text_1":["q","r"],"text_2":["a","b"]}"#)
        #expect(desk.service.submitted.map(\.prompts) == [[[113], [97], [98]], [[113], [114], [97], [98]]])

        desk.service.produce(
            to: 0, .pooled(choice: 0, [1, 0]), .pooled(choice: 1, [0.6, 0.8]), .pooled(choice: 2, [0, 1]),
            .finished(Self.usage))
        desk.service.produce(
            to: 1, .pooled(choice: 0, [1, 0]), .pooled(choice: 1, [0, 1]), .pooled(choice: 2, [0, 1]),
            .pooled(choice: 3, [0, 1]), .finished(Self.usage))

        #expect(
            one.text.hasSuffix(
                #""object":"list","created":1700000000,"model":"e","data":[{"index":0,"object":"score","score":0.6},"#
                    + #"{"index":1,"object":"score","score":0.0}],"usage":{"prompt_tokens":7,"total_tokens":7}}"#),
            "\(one.text)")
        #expect(pairs.text.contains(#""score":0.0},{"index":1,"object":"score","score":1.0}"#), "\(pairs.text)")
    }

    @Test func `a model that scores pairs reads both texts at once`() {
        let desk = Desk(models: [Self.scorer])
        let exchange = desk.post("/v1/rerank", #"{"query":"qq","documents":["a","bc"]}"#)

        #expect(desk.service.submitted[0].prompts == [[113, 113, 97], [113, 113, 98, 99]])
        #expect(desk.service.submitted[0].pooling == [Pooling(secondStart: 2), Pooling(secondStart: 2)])
        desk.service.produce(.pooled(choice: 0, [0.125]), .pooled(choice: 1, [0.5]), .finished(Self.usage))
        #expect(
            exchange.text.contains(
                #"[{"index":1,"document":{"text":"bc"},"relevance_score":0.5},{"index":0,"document":{"text":"a"},"#))
    }

    @Test func `a client that leaves takes its texts with it; a failure is told in OpenAI's shape`() {
        let desk = Desk(models: [Self.embedder])
        let gone = desk.post("/v1/embeddings", #"{"input":"a"}"#)
        gone.onClientGone?()
        #expect(desk.service.cancelled == [RequestID(1)])

        let failed = desk.post("/v1/embeddings", #"{"input":"a"}"#)
        desk.service.produce(.failed(.timedOut(afterSeconds: 3)))
        #expect(failed.status == 503)
        #expect(failed.text.contains(#""code":"timeout""#))

        desk.service.refusal = .queueFull(limit: 2, retryAfterSeconds: 5)
        let refused = desk.post("/v1/embeddings", #"{"input":"a"}"#)
        #expect(refused.status == 429 && refused.header("retry-after") == "5")
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var path: String
        var body: String
        var parameter: String
        var code: String
        var says: String
        var testDescription: String { "\(path) \(body)" }

        init(_ path: String, _ body: String, _ parameter: String, _ code: String, _ says: String = "") {
            (self.path, self.body, self.parameter, self.code, self.says) = (path, body, parameter, code, says)
        }
    }

    static let long = String(repeating: "x", count: 17)
    static let rows: [Row] = [
        Row("/v1/embeddings", #"{"model":"e"}"#, "input", "missing_required_parameter"),
        Row("/v1/embeddings", #"{"model":"e","input":[]}"#, "input", "empty_array"),
        Row("/v1/embeddings", #"{"model":"e","input":7}"#, "input", "invalid_type"),
        Row("/v1/embeddings", #"{"model":"e","input":["a",7]}"#, "input[1]", "invalid_type"),
        Row("/v1/embeddings", #"{"model":"e","input":[[1],"a"]}"#, "input[1]", "invalid_type"),
        Row("/v1/embeddings", #"{"model":"e","input":[1,-1]}"#, "input[1]", "integer_below_min_value"),
        Row("/v1/embeddings", #"{"model":"e","input":[[1],[259]]}"#, "input[1][0]", "integer_above_max_value", "258"),
        Row("/v1/embeddings", #"{"model":"e","input":""}"#, "input", "invalid_value", "empty"),
        Row("/v1/embeddings", #"{"model":"e","input":["a",""]}"#, "input[1]", "invalid_value", "empty"),
        Row("/v1/embeddings", #"{"model":"e","input":"\#(long)"}"#, "input", "context_length_exceeded", "17 tokens"),
        Row("/v1/embeddings", #"{"model":"e","input":["a","\#(long)"]}"#, "input[1]", "context_length_exceeded", "16"),
        Row("/v1/embeddings", #"{"model":"e","input":"a","dimensions":1}"#, "dimensions", "unsupported_parameter", "2"),
        Row("/v1/embeddings", #"{"model":"e","input":"a","dimensions":0}"#, "dimensions", "integer_below_min_value"),
        Row(
            "/v1/embeddings", #"{"model":"e","input":"a","encoding_format":"hex"}"#, "encoding_format", "invalid_value"),
        Row(
            "/v1/embeddings", #"{"model":"e","input":"a","truncate_prompt_tokens":4}"#, "truncate_prompt_tokens",
            "unsupported_parameter"),
        Row("/v1/embeddings", #"{"model":"e","input":"a","normalize":false}"#, "normalize", "unsupported_parameter"),
        Row("/v1/embeddings", #"{"model":"s","input":"a"}"#, "model", "model_does_not_embed", "/v1/score"),
        Row("/v1/embeddings", #"{"model":"tiny","input":"a"}"#, "model", "model_does_not_embed", "does not embed"),
        Row("/v1/rerank", #"{"model":"tiny","query":"a","documents":["b"]}"#, "model", "model_does_not_embed"),
        Row("/v1/rerank", #"{"model":"e","documents":["b"]}"#, "query", "missing_required_parameter"),
        Row("/v1/rerank", #"{"model":"e","query":"a"}"#, "documents", "missing_required_parameter"),
        Row("/v1/rerank", #"{"model":"e","query":"a","documents":[]}"#, "documents", "empty_array"),
        Row(
            "/v1/rerank", #"{"model":"e","query":"a","documents":["b",{}]}"#, "documents[1].text",
            "missing_required_parameter"),
        Row("/v1/rerank", #"{"model":"e","query":"a","documents":["b",[]]}"#, "documents[1]", "invalid_type"),
        Row(
            "/v1/rerank", #"{"model":"e","query":"a","documents":["b"],"top_n":0}"#, "top_n", "integer_below_min_value"),
        Row(
            "/v1/rerank", #"{"model":"e","query":"a","documents":["b","\#(long)"]}"#, "documents[1]",
            "context_length_exceeded"),
        Row("/v1/rerank", #"{"model":"e","query":"\#(long)","documents":["b"]}"#, "query", "context_length_exceeded"),
        Row(
            "/v1/rerank", #"{"model":"s","query":"12345678","documents":["b","123456789"]}"#,
            "documents[1] with query", "context_length_exceeded", "17 tokens"),
        Row(
            "/v1/rerank", #"{"model":"e","query":"a","documents":["b"],"rank_fields":["x"]}"#, "rank_fields",
            "unsupported_parameter"),
        Row("/v1/score", #"{"model":"e","text_2":"a"}"#, "text_1", "missing_required_parameter"),
        Row("/v1/score", #"{"model":"e","text_1":"a"}"#, "text_2", "missing_required_parameter"),
        Row("/v1/score", #"{"model":"e","text_1":["a","b"],"text_2":"c"}"#, "text_1", "invalid_value", "as many"),
        Row("/v1/score", #"{"model":"e","text_1":"a","text_2":[]}"#, "text_2", "empty_array"),
        Row(
            "/v1/score", #"{"model":"e","text_1":"a","text_2":["b","\#(long)"]}"#, "text_2[1]",
            "context_length_exceeded"),
        Row("/v1/score", #"{"model":"e","text_1":{},"text_2":"c"}"#, "text_1", "invalid_type"),
        Row("/v1/completions", #"{"model":"e","prompt":"a"}"#, "model", "model_does_not_generate", "/v1/embeddings"),
        Row(
            "/v1/chat/completions", #"{"model":"s","messages":[{"role":"user","content":"a"}]}"#, "model",
            "model_does_not_generate", "/v1/rerank"),
    ]

    @Test(arguments: rows) func `what cannot be honoured is refused by name, before the service hears of it`(_ row: Row)
    {
        let desk = Desk(models: [Self.embedder, Self.scorer, .tiny()])

        let exchange = desk.post(row.path, row.body)

        #expect(exchange.status == 400, "\(exchange.text)")
        #expect(exchange.text.contains(#""param":"\#(row.parameter)""#), "\(exchange.text)")
        #expect(exchange.text.contains(#""code":"\#(row.code)""#), "\(exchange.text)")
        #expect(exchange.text.contains(row.says), "\(exchange.text)")
        #expect(desk.service.submitted.isEmpty)
    }

    @Test func `more texts than one request may have are refused`() {
        let desk = Desk(models: [Self.embedder]) { $0.textCountMax = 2 }

        let exchange = desk.post("/v1/embeddings", #"{"input":["a","b","c"]}"#)

        #expect(exchange.status == 400 && exchange.text.contains("array_above_max_length"))
    }
}
