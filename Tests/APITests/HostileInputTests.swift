import Inference
import Serving
import TestSupport
import Testing

@testable import API

/// Whatever a body holds, the process stays up and there is exactly one outcome.
@Suite struct HostileInputTests {
    static let fields = [
        "model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stop",
        "seed", "stream", "stream_options", "logprobs", "top_logprobs", "logit_bias", "presence_penalty",
        "frequency_penalty", "user", "metadata", "top_k", "min_p", "repetition_penalty", "min_tokens", "ignore_eos",
        "stop_token_ids", "skip_special_tokens", "include_stop_str_in_output", "prompt_logprobs", "priority", "echo",
        "cache_salt", "add_generation_prompt", "add_special_tokens", "continue_final_message", "tools", "tool_choice",
        "response_format", "modalities", "best_of", "suffix", "chat_template_kwargs", "return_token_strs", "tokens",
    ]
    static let values = [
        "null", "true", "0", "-0.0", "1", "-1", "0.5", "2147483648", "-9223372036854775808", "9223372036854775807",
        "18446744073709551615", "99999999999999999999", "1e308", "-1e308", "1e-308", #""""#, #""x""#, #""\u0000""#,
        "[]", "[[]]", "[null]", "[0]", "[1e99]", #"["a",["b"]]"#, "{}", #"{"":null}"#, #"{"0":1e308}"#,
        #"[{"role":"user"}]"#,
        #"[{"role":"user","content":""}]"#,
    ]
    static let model = ServedModel.tiny()
    static let bases = [
        (
            "/v1/chat/completions", #""model":"tiny","messages":[{"role":"user","content":"Hi"}]"#,
            ["model", "messages"]
        ),
        ("/v1/completions", #""model":"tiny","prompt":"Hi""#, ["model", "prompt"]),
        ("/tokenize", #""model":"tiny","prompt":"Hi""#, ["model", "prompt"]),
        ("/detokenize", #""model":"tiny","tokens":[65]"#, ["model", "tokens"]),
    ]

    @Test(arguments: fields) func `any value of any field ends in an answer or a submission`(field: String) {
        for (path, base, required) in Self.bases {
            for value in Self.values {
                let desk = Desk(models: [Self.model])
                let others = required.contains(field) ? "" : "," + base
                let exchange = desk.post(path, "{\"\(field)\":\(value)\(others)}")
                switch exchange.status {
                case nil: #expect(desk.service.submitted.count == 1, "\(path) \(field): \(value)")
                case 200: #expect(exchange.isFinished != (desk.service.submitted.count == 1))
                case 400, 404: #expect(exchange.isFinished && desk.service.submitted.isEmpty)
                case .some(let status): Issue.record("\(path) \(field): \(value) gives \(status)")
                }
                for request in desk.service.submitted {
                    let sampling = request.sampling
                    #expect(request.prompts.allSatisfy { !$0.isEmpty && $0.allSatisfy { (0..<259).contains($0) } })
                    #expect(request.prompts.allSatisfy { $0.count + sampling.maxTokens <= 256 })
                    #expect((0...2).contains(sampling.temperature) && sampling.topP > 0 && sampling.topP <= 1)
                    #expect(sampling.topK >= 0 && (0...1).contains(sampling.minP) && sampling.repetitionPenalty > 0)
                    #expect((1...8).contains(request.choiceCount) && sampling.minTokens <= sampling.maxTokens)
                }
            }
        }
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func `damaged bodies never hurt`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let body =
            Array(
                #"{"model":"tiny","messages":[{"role":"user","content":[{"type":"text","text":"H\u00e9"}]}],"n":2,"#
                    .utf8)
            + Array(#""temperature":0.5,"logit_bias":{"5":-1.5e1},"stop":["a","b"],"stream":true,"seed":-7}"#.utf8)
        for _ in 0..<400 {
            var damaged = body
            for _ in 0...random.below(4) {
                let at = random.below(damaged.count)
                switch random.below(4) {
                case 0: damaged[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: damaged.remove(at: at)
                case 2: damaged.removeSubrange(at..<min(damaged.count, at + random.below(20)))
                default: damaged.insert(Array("{}[]\",:\\0.eE-u".utf8)[random.below(14)], at: at)
                }
            }
            let desk = Desk(models: [Self.model])
            let exchange = desk.send("POST", "/v1/chat/completions", body: .success(damaged))
            let isRefused = exchange.status == 400 || exchange.status == 404
            #expect(isRefused != (desk.service.submitted.count == 1))
        }
    }
}
