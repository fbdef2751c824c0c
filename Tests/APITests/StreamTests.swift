import Inference
import NIOCore
import NIOEmbedded
import Serving
import Testing

@testable import API

/// Streams byte for byte. Names and times come from the desk: `randomWord` counts from 1, the clock stands still.
@Suite struct StreamTests {
    /// The first call draws words 1, 2 for its x-request-id and 3 for the seed; the answer's name is words 4 and 5.
    static let name = "00000000000000040000000000000005"
    static let chatHead =
        #"data: {"id":"chatcmpl-\#(name)","object":"chat.completion.chunk","created":1700000000,"model":"tiny","#
        + #""system_fingerprint":"fp_0123456789ab","choices":["#
    static let completionHead =
        #"data: {"id":"cmpl-\#(name)","object":"text_completion","created":1700000000,"model":"tiny","#
        + #""system_fingerprint":"fp_0123456789ab","choices":["#

    static func chat(_ choices: String, _ usage: String = "") -> String { chatHead + choices + "]" + usage + "}\n\n" }
    static func completion(_ choices: String, _ usage: String = "") -> String {
        completionHead + choices + "]" + usage + "}\n\n"
    }
    static let done = "data: [DONE]\n\n"
    static func role(_ index: Int = 0) -> String {
        #"{"index":\#(index),"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}"#
    }
    static func delta(_ text: String, _ index: Int = 0) -> String {
        #"{"index":\#(index),"delta":{"content":"\#(text)"},"logprobs":null,"finish_reason":null}"#
    }
    static func finish(_ reason: String, _ index: Int = 0) -> String {
        #"{"index":\#(index),"delta":{},"logprobs":null,"finish_reason":"\#(reason)"}"#
    }
    static let usage = Usage(promptTokens: 30, completionTokens: 3, cachedTokens: 16)
    static let usageJSON =
        #","usage":{"prompt_tokens":30,"completion_tokens":3,"total_tokens":33,"#
        + #""prompt_tokens_details":{"cached_tokens":16}}"#

    @Test func `a chat streams role, text, finish and done`() {
        let desk = Desk()
        let exchange = desk.chat(#","stream":true"#)
        #expect(exchange.status == 200)
        #expect(exchange.header("content-type") == "text/event-stream")
        #expect(exchange.header("content-length") == nil)
        #expect(exchange.text == Self.chat(Self.role()), "the role goes out at once")

        desk.service.produce(
            .admitted(choice: 0, numericsID: "x"), .delta(choice: 0, text: "Hel", tokens: [1], logprobs: []),
            .delta(choice: 0, text: "", tokens: [2], logprobs: []),
            .delta(choice: 0, text: "lo \"you\"\n\u{2028}", tokens: [3], logprobs: []),
            .choiceFinished(choice: 0, .stop(nil)))
        #expect(!exchange.isFinished)
        desk.service.produce(.finished(Self.usage))

        #expect(
            exchange.text
                == Self.chat(Self.role()) + Self.chat(Self.delta("Hel"))
                + Self.chat(Self.delta(#"lo \"you\"\n\u2028"#)) + Self.chat(Self.finish("stop")) + Self.done)
        #expect(exchange.isFinished && exchange.headCount == 1)
    }

    @Test func `with include_usage every chunk says null and one more says how much`() {
        let desk = Desk()
        let exchange = desk.chat(#","stream":true,"stream_options":{"include_usage":true}"#)
        desk.service.produce(
            .delta(choice: 0, text: "Hi", tokens: [1, 2, 3], logprobs: []), .choiceFinished(choice: 0, .length),
            .finished(Self.usage))

        let null = #","usage":null"#
        #expect(
            exchange.text
                == Self.chat(Self.role(), null) + Self.chat(Self.delta("Hi"), null)
                + Self.chat(Self.finish("length"), null) + Self.chat("", Self.usageJSON) + Self.done)
    }

    @Test func `continuous usage counts as it goes`() {
        let desk = Desk()
        let exchange = desk.complete(
            #","stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}"#)
        desk.service.produce(
            .delta(choice: 0, text: "a", tokens: [1], logprobs: []),
            .delta(choice: 0, text: "b", tokens: [2, 3], logprobs: []), .choiceFinished(choice: 0, .length),
            .finished(Self.usage))

        func choice(_ text: String, _ reason: String = "null") -> String {
            #"{"text":"\#(text)","index":0,"logprobs":null,"finish_reason":\#(reason)}"#
        }
        func usage(_ count: Int) -> String {
            #","usage":{"prompt_tokens":2,"completion_tokens":\#(count),"total_tokens":\#(2 + count)}"#
        }
        #expect(
            exchange.text
                == Self.completion(choice("a"), usage(1)) + Self.completion(choice("b"), usage(3))
                + Self.completion(choice("", #""length""#), usage(3)) + Self.completion("", Self.usageJSON)
                + Self.done)
    }

    @Test func `two choices are told apart by index`() {
        let desk = Desk()
        let exchange = desk.chat(#","stream":true,"n":2"#)
        desk.service.produce(
            .delta(choice: 1, text: "b", tokens: [1], logprobs: []),
            .delta(choice: 0, text: "a", tokens: [1], logprobs: []), .choiceFinished(choice: 1, .stop("!")),
            .delta(choice: 7, text: "no such choice", tokens: [1], logprobs: []),
            .choiceFinished(choice: 0, .length), .finished(Self.usage))

        #expect(
            exchange.text
                == Self.chat(Self.role(0)) + Self.chat(Self.role(1)) + Self.chat(Self.delta("b", 1))
                + Self.chat(Self.delta("a", 0)) + Self.chat(Self.finish("stop", 1))
                + Self.chat(Self.finish("length", 0)) + Self.done)
    }

    @Test func `log-probabilities of a chat carry text, bytes and alternatives`() {
        let desk = Desk()
        let exchange = desk.chat(#","stream":true,"logprobs":true,"top_logprobs":1"#)
        var half = logged("x", -2.5)
        half.chosen.bytes = [0xE2, 0x82]
        desk.service.produce(
            .delta(choice: 0, text: "Hi", tokens: [1], logprobs: [logged("Hi", -0.25, ("Hi", -0.25), ("Ho", -3))]),
            .delta(choice: 0, text: "", tokens: [2], logprobs: [half]), .choiceFinished(choice: 0, .stop(nil)),
            .finished(Self.usage))

        let first =
            #"{"index":0,"delta":{"content":"Hi"},"logprobs":{"content":[{"token":"Hi","logprob":-0.25,"#
            + #""bytes":[72,105],"top_logprobs":[{"token":"Hi","logprob":-0.25,"bytes":[72,105]}]}],"refusal":null},"#
            + #""finish_reason":null}"#
        let second =
            #"{"index":0,"delta":{"content":""},"logprobs":{"content":[{"token":"\#u{FFFD}","logprob":-2.5,"#
            + #""bytes":[226,130],"top_logprobs":[]}],"refusal":null},"finish_reason":null}"#
        #expect(
            exchange.text
                == Self.chat(Self.role()) + Self.chat(first) + Self.chat(second) + Self.chat(Self.finish("stop"))
                + Self.done)
    }

    @Test func `log-probabilities of a completion carry offsets into its text`() {
        let desk = Desk()
        let exchange = desk.complete(#","stream":true,"logprobs":2"#)
        var half = logged("x", -.infinity)
        half.chosen.bytes = [0xC3]
        desk.service.produce(
            .delta(
                choice: 0, text: "né", tokens: [1, 2],
                logprobs: [logged("n", -0.5, ("n", -0.5), ("m", -1.5), ("l", -2.5)), logged("é", -1, ("e", -0.75))]),
            .delta(choice: 0, text: "\u{FFFD}", tokens: [3], logprobs: [half]), .choiceFinished(choice: 0, .length),
            .finished(Self.usage))

        let first =
            #"{"text":"né","index":0,"logprobs":{"tokens":["n","é"],"token_logprobs":[-0.5,-1.0],"#
            + #""top_logprobs":[{"n":-0.5,"m":-1.5},{"e":-0.75,"é":-1.0}],"text_offset":[0,1]},"finish_reason":null}"#
        let second =
            "{\"text\":\"\u{FFFD}\",\"index\":0,"
            + #""logprobs":{"tokens":["bytes:\\xc3"],"token_logprobs":[-9999.0],"#
            + #""top_logprobs":[{"bytes:\\xc3":-9999.0}],"text_offset":[2]},"finish_reason":null}"#
        #expect(
            exchange.text
                == Self.completion(first) + Self.completion(second)
                + Self.completion(#"{"text":"","index":0,"logprobs":null,"finish_reason":"length"}"#) + Self.done)
    }

    @Test func `a failure in mid-stream is an event, and no done follows`() throws {
        let desk = Desk()
        let exchange = desk.chat(#","stream":true"#)
        desk.service.produce(
            .delta(choice: 0, text: "Hi", tokens: [1], logprobs: []), .failed(.internalFailure("A worker failed.")),
            .delta(choice: 0, text: "late", tokens: [1], logprobs: []))

        #expect(
            exchange.text
                == Self.chat(Self.role()) + Self.chat(Self.delta("Hi"))
                + #"data: {"error":{"message":"A worker failed.","type":"server_error","param":null,"#
                + #""code":"internal_error"}}"# + "\n\n")
        #expect(exchange.isFinished)
    }

    @Test func `an echoed prompt comes first, in every choice`() {
        let desk = Desk()
        let exchange = desk.complete(#","stream":true,"echo":true,"n":2"#)
        func choice(_ text: String, _ index: Int, _ reason: String = "null") -> String {
            #"{"text":"\#(text)","index":\#(index),"logprobs":null,"finish_reason":\#(reason)}"#
        }
        #expect(exchange.text == Self.completion(choice("Hi", 0)) + Self.completion(choice("Hi", 1)))
        desk.service.produce(
            .delta(choice: 1, text: "!", tokens: [1], logprobs: []), .choiceFinished(choice: 1, .length))
        #expect(
            exchange.text.hasSuffix(
                Self.completion(choice("!", 1)) + Self.completion(choice("", 1, #""length""#))))
    }

    @Test func `a silent stream is kept open by comments every ten seconds, and only then`() {
        let desk = Desk()
        let exchange = desk.chat(#","stream":true"#)
        let opening = exchange.text
        desk.loop.advanceTime(by: .seconds(9))
        #expect(exchange.text == opening)
        desk.loop.advanceTime(by: .seconds(1))
        #expect(exchange.text == opening + ": keep-alive\n\n")
        desk.loop.advanceTime(by: .seconds(10))
        #expect(exchange.text == opening + ": keep-alive\n\n: keep-alive\n\n")

        desk.service.produce(.delta(choice: 0, text: "a", tokens: [1], logprobs: []))
        let busy = exchange.text
        desk.loop.advanceTime(by: .seconds(10))
        #expect(exchange.text == busy)

        desk.service.produce(.choiceFinished(choice: 0, .length), .finished(Self.usage))
        let over = exchange.text
        desk.loop.advanceTime(by: .seconds(100))
        #expect(exchange.text == over)
    }

    @Test func `an answer in one waits in silence`() {
        let desk = Desk()
        let exchange = desk.chat()
        desk.loop.advanceTime(by: .seconds(100))
        #expect(exchange.status == nil && exchange.written.isEmpty)
    }
}
