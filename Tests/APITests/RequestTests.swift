import HTTP
import Inference
import Serving
import Text
import Testing

@testable import API

/// What the service is asked for when the client asks well.
@Suite struct RequestTests {
    static let chatPrompt =
        [256] + Array("user\nHi".utf8).map { TokenID($0) } + [257, 10, 256]
        + Array("assistant\n".utf8).map { TokenID($0) }

    @Test func `a plain chat takes the defaults and all the context there is`() throws {
        let desk = Desk()
        desk.chat()
        let request = try #require(desk.service.submitted.first)
        #expect(request.model == "tiny")
        #expect(request.prompts == [Self.chatPrompt])
        #expect(request.choiceCount == 1)
        var expected = SamplingParameters()
        expected.seed = 3
        expected.maxTokens = 256 - Self.chatPrompt.count
        expected.stopTokens = [257]
        #expect(request.sampling == expected)
        #expect(request.stopStrings.isEmpty && !request.includesStopString && request.skipsSpecialTokens)
        #expect(request.priority == 0 && request.salt == 0)
    }

    @Test func `every field arrives`() throws {
        let desk = Desk()
        desk.chat(
            #"""
            ,"temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"repetition_penalty":1.5,"presence_penalty":0.25,
            "frequency_penalty":-0.25,"seed":-1,"n":3,"max_tokens":99,"max_completion_tokens":50,"min_tokens":4,
            "stop":["a","bc"],"stop_token_ids":[5,3,5],"ignore_eos":true,"logit_bias":{"7":1,"2":-100.0},
            "logprobs":true,"top_logprobs":5,"prompt_logprobs":2,"skip_special_tokens":false,
            "include_stop_str_in_output":true,"priority":-3,"cache_salt":"tenant","user":"u","metadata":{"a":"b"},
            "unknown_field":{"x":[1]},"tools":[],"tool_choice":"none","response_format":{"type":"text"},
            "best_of":null,"store":true,"verbosity":"low","reasoning_effort":"high","service_tier":"auto"
            """#)
        let request = try #require(desk.service.submitted.first)
        var expected = SamplingParameters()
        expected.temperature = 0.5
        expected.topP = 0.9
        expected.topK = 40
        expected.minP = 0.05
        expected.repetitionPenalty = 1.5
        expected.presencePenalty = 0.25
        expected.frequencyPenalty = -0.25
        expected.seed = .max
        expected.maxTokens = 50
        expected.minTokens = 4
        expected.stopTokens = [3, 5]
        expected.logitBias = [LogitBias(token: 2, bias: -100), LogitBias(token: 7, bias: 1)]
        expected.logprobs = 5
        expected.promptLogprobs = 2
        #expect(request.sampling == expected)
        #expect(request.choiceCount == 3)
        #expect(request.stopStrings == ["a", "bc"])
        #expect(request.includesStopString && !request.skipsSpecialTokens)
        #expect(request.priority == 3)
        #expect(request.salt != 0)
    }

    @Test func `the edges of every range are inside`() {
        let desk = Desk()
        for more in [
            "\"temperature\":0", "\"temperature\":2", "\"top_p\":0", "\"top_p\":1", "\"top_k\":-1", "\"top_k\":0",
            "\"min_p\":1", "\"presence_penalty\":-2", "\"frequency_penalty\":2.0", "\"n\":8", "\"n\":2.0",
            "\"seed\":-9223372036854775808", "\"seed\":9223372036854775807", "\"stop\":[]", "\"stop\":null",
            "\"logit_bias\":{\"258\":100,\"0\":-100}", "\"stop_token_ids\":[0,258]",
            "\"max_tokens\":\(256 - Self.chatPrompt.count)", "\"logprobs\":true,\"top_logprobs\":20",
            "\"logprobs\":false,\"top_logprobs\":null", "\"stop\":\"\(String(repeating: "x", count: 64))\"",
        ] {
            let exchange = desk.chat("," + more)
            #expect(exchange.status == nil, "\(more): \(exchange.text)")
        }
        #expect(desk.service.submitted.count == 21)
        #expect(desk.service.submitted.allSatisfy { $0.sampling.topP > 0 && $0.sampling.topK >= 0 })
    }

    @Test func `roles and parts become what the template knows`() throws {
        let desk = Desk()
        desk.post(
            "/v1/chat/completions",
            #"""
            {"messages":[{"role":"developer","content":"Be."},
            {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
            {"role":"assistant","content":"c","tool_calls":[]},{"role":"user","content":"<|im_end|>"}],
            "add_generation_prompt":false}
            """#)
        let prompt = try #require(desk.service.submitted.first?.prompts.first)
        let tokenizer = ServedModel.tiny().tokenizer
        let text =
            "<|im_start|>system\nBe.<|im_end|>\n<|im_start|>user\na\nb<|im_end|>\n<|im_start|>assistant\nc<|im_end|>\n"
            + "<|im_start|>user\n<|im_end|><|im_end|>\n"
        #expect(tokenizer.decode(prompt, skipsSpecialTokens: false) == text)
        #expect(prompt.count { $0 == 257 } == 5, "control tokens are recognised wherever they are spelled")
    }

    @Test(
        arguments: [
            (#""ab""#, [[97, 98]]), (#"["ab","c"]"#, [[97, 98], [99]]), ("[97,98]", [[97, 98]]),
            ("[[97,98],[99]]", [[97, 98], [99]]), ("[97.0]", [[97]]), (#""<|im_end|>x""#, [[257, 120]]),
        ] as [(String, [[TokenID]])])
    func `a completion's prompt may be text, texts, ids or lists of ids`(json: String, tokens: [[TokenID]]) {
        let desk = Desk()
        desk.post("/v1/completions", #"{"model":"tiny","prompt":\#(json)}"#)
        #expect(desk.service.submitted.first?.prompts == tokens)
        #expect(desk.service.submitted.first?.sampling.maxTokens == 16)
    }

    @Test func `a model that wants its beginning token gets it once, and token ids are left alone`() {
        let desk = Desk(models: [.tiny(addsBOS: true)])
        desk.post("/v1/completions", #"{"prompt":["a","<s>a"]}"#)
        #expect(desk.service.submitted.last?.prompts == [[258, 97], [258, 97]])
        desk.post("/v1/completions", #"{"prompt":[97]}"#)
        #expect(desk.service.submitted.last?.prompts == [[97]])
        desk.post("/v1/completions", #"{"prompt":"a","add_special_tokens":false}"#)
        #expect(desk.service.submitted.last?.prompts == [[97]])
    }

    @Test func `completions take what the context leaves when they name no limit`() {
        let desk = Desk()
        desk.post("/v1/completions", #"{"prompt":"\#(String(repeating: "x", count: 250))"}"#)
        #expect(desk.service.submitted.last?.sampling.maxTokens == 6)
        desk.post("/v1/completions", #"{"prompt":"Hi","echo":true,"logprobs":0,"max_tokens":0}"#)
        #expect(desk.service.submitted.last?.sampling.maxTokens == 0)
        #expect(desk.service.submitted.last?.sampling.promptLogprobs == 0)
    }

    @Test func `salts tell tenants apart and are the same every time`() {
        let desk = Desk()
        let salts = ["a", "b", "ab", "a"].map { text in
            desk.complete(#","cache_salt":"\#(text)""#)
            return desk.service.submitted.last?.salt
        }
        #expect(salts[0] == salts[3])
        #expect(Set(salts).count == 3)
    }

    @Test func `the tenant is what the trusted header says, and nobody where none is trusted`() throws {
        let chat = #"{"messages":[{"role":"user","content":"Hi"}]}"#
        let named = [HTTPField("x-tenant", "acme")]
        let careless = Desk()
        careless.post("/v1/chat/completions", chat, headers: named)
        let desk = Desk { $0.tenantHeader = "x-tenant" }
        desk.post("/v1/chat/completions", chat, headers: named)
        desk.post("/v1/chat/completions", chat)

        let refused = desk.post(
            "/v1/chat/completions", chat, headers: [HTTPField("x-tenant", String(repeating: "a", count: 129))])

        #expect(careless.service.submitted.map(\.tenant) == [""])
        #expect(desk.service.submitted.map(\.tenant) == ["acme", ""])
        #expect(refused.status == 400)
        #expect(try ErrorBody(refused).message == "The header x-tenant may have 128 bytes at most, but has 129.")
    }

    @Test func `requests without a seed get different ones`() {
        let desk = Desk()
        desk.chat()
        desk.chat()
        #expect(Set(desk.service.submitted.map(\.sampling.seed)).count == 2)
    }
}
