import Foundation
import Inference
import Serving
import Testing

@testable import API

/// Answers in one piece, byte for byte where the shape is the subject.
@Suite struct AnswerTests {
    static let usage = Usage(promptTokens: 30, completionTokens: 3, cachedTokens: 16)

    @Test func `a chat's answer is the fold of its stream`() {
        let desk = Desk()
        let exchange = desk.chat(#","n":2"#)
        desk.service.produce(
            .admitted(choice: 0, numericsID: "x"), .delta(choice: 0, text: "Hel", tokens: [1], logprobs: []),
            .delta(choice: 1, text: "Bye", tokens: [1], logprobs: []),
            .delta(choice: 0, text: "lo", tokens: [2], logprobs: []), .choiceFinished(choice: 0, .stop(nil)),
            .choiceFinished(choice: 1, .length))
        #expect(exchange.status == nil)
        desk.service.produce(.finished(Self.usage))

        #expect(exchange.status == 200)
        #expect(exchange.header("content-type") == "application/json")
        #expect(exchange.header("content-length") == String(exchange.written.count))
        #expect(
            exchange.text
                == #"{"id":"chatcmpl-\#(StreamTests.name)","object":"chat.completion","created":1700000000,"#
                + #""model":"tiny","system_fingerprint":"fp_0123456789ab","choices":["#
                + #"{"index":0,"message":{"role":"assistant","content":"Hello","refusal":null},"logprobs":null,"#
                + #""finish_reason":"stop"},"#
                + #"{"index":1,"message":{"role":"assistant","content":"Bye","refusal":null},"logprobs":null,"#
                + #""finish_reason":"length"}"#
                + #"],"usage":{"prompt_tokens":30,"completion_tokens":3,"total_tokens":33,"#
                + #""prompt_tokens_details":{"cached_tokens":16}}}"#)
    }

    @Test func `an echoed completion with log-probabilities begins with the prompt's`() {
        let desk = Desk()
        let exchange = desk.complete(#","echo":true,"logprobs":1,"max_tokens":1"#)
        #expect(desk.service.submitted.first?.sampling.promptLogprobs == 1)
        desk.service.produce(
            .promptLogprobs(choice: 0, [logged("i", -0.5, ("o", -0.25))]),
            .delta(choice: 0, text: "!", tokens: [33], logprobs: [logged("!", -1, ("!", -1))]),
            .choiceFinished(choice: 0, .length), .finished(Self.usage))

        #expect(
            exchange.text
                == #"{"id":"cmpl-\#(StreamTests.name)","object":"text_completion","created":1700000000,"#
                + #""model":"tiny","system_fingerprint":"fp_0123456789ab","choices":["#
                + #"{"text":"Hi!","index":0,"logprobs":{"tokens":["H","i","!"],"token_logprobs":[null,-0.5,-1.0],"#
                + #""top_logprobs":[null,{"o":-0.25,"i":-0.5},{"!":-1.0}],"text_offset":[0,1,2]},"#
                + #""finish_reason":"length"}"#
                + #"],"usage":{"prompt_tokens":30,"completion_tokens":3,"total_tokens":33,"#
                + #""prompt_tokens_details":{"cached_tokens":16}}}"#)
    }

    @Test func `prompt_logprobs stand beside a chat's choices and inside a completion's`() throws {
        let desk = Desk()
        let chat = desk.chat(#","prompt_logprobs":1"#)
        desk.service.produce(
            .promptLogprobs(choice: 0, [logged("i", -0.5, ("o", -0.25))]), .choiceFinished(choice: 0, .length),
            .finished(Self.usage))
        let entry =
            #""prompt_logprobs":[null,{"105":{"logprob":-0.5,"rank":null,"decoded_token":"i"},"#
            + #""111":{"logprob":-0.25,"rank":1,"decoded_token":"o"}}]"#
        #expect(chat.text.hasSuffix("}}," + entry + "}"))

        let completion = desk.complete(#","prompt_logprobs":1"#)
        desk.service.produce(
            .promptLogprobs(choice: 0, [logged("i", -0.5, ("o", -0.25))]), .choiceFinished(choice: 0, .length),
            .finished(Self.usage))
        #expect(completion.text.contains(#""finish_reason":"length","# + entry + "}],"))
    }

    @Test func `tokens that the text leaves out do not push offsets ahead`() throws {
        let desk = Desk()
        let exchange = desk.complete(#","logprobs":0"#)
        var end = logged("x", -1)
        end.chosen.bytes = Array("<|im_end|>".utf8)
        desk.service.produce(
            .delta(choice: 0, text: "ab", tokens: [97, 98], logprobs: [logged("a", -1), logged("b", -1)]),
            .delta(choice: 0, text: "", tokens: [257], logprobs: [end]), .choiceFinished(choice: 0, .stop(nil)),
            .finished(Self.usage))
        #expect(exchange.text.contains(#""top_logprobs":null,"text_offset":[0,1,2]"#))
    }

    @Test(
        arguments: [
            (ServeError.queueFull(limit: 100, retryAfterSeconds: 7), 429, "rate_limit_error", "queue_full"),
            (
                .queueSlow(expectedSeconds: 7, limitSeconds: 4, retryAfterSeconds: 7), 429, "rate_limit_error",
                "queue_slow"
            ),
            (
                .queueFull(limit: 50, of: .tokens, share: .tenant, retryAfterSeconds: 7), 429,
                "rate_limit_error", "tenant_queue_full"
            ),
            (
                .queueFull(limit: 50, share: .model, retryAfterSeconds: 7), 429, "rate_limit_error",
                "model_queue_full"
            ),
            (.unavailable("No worker."), 503, "server_error", "unavailable"),
            (.shuttingDown, 503, "server_error", "shutting_down"),
            (.timedOut(afterSeconds: 30), 503, "server_error", "timeout"),
            (.internalFailure("Broken."), 500, "server_error", "internal_error"),
            (.modelNotFound("x"), 404, "not_found_error", "model_not_found"),
            (
                .contextExceeded(promptTokens: 5, maxTokens: 6, contextLength: 7), 400, "invalid_request_error",
                "context_length_exceeded"
            ),
            (.invalidRequest(message: "No.", parameter: "seed"), 400, "invalid_request_error", "invalid_value"),
        ] as [(ServeError, Int, String, String)])
    func `what the service refuses or fails has its status, streaming or not`(
        error: ServeError, status: Int, type: String, code: String
    ) throws {
        for streams in [false, true] {
            let desk = Desk()
            desk.service.refusal = error
            let refused = desk.chat(#","stream":\#(streams)"#)
            #expect(refused.status == status)
            #expect(try ErrorBody(refused).type == type)
            #expect(try ErrorBody(refused).code == code)
        }

        let desk = Desk()
        let failed = desk.chat()
        desk.service.produce(.failed(error))
        #expect(failed.status == status)
        #expect(try ErrorBody(failed).code == code)
        #expect((failed.header("retry-after") != nil) == [429, 503].contains(status))
        #expect((failed.header("x-should-retry") == "false") == (status == 500))
        if case .queueFull = error { #expect(failed.header("retry-after") == "7") }
    }
}
