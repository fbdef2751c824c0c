import HTTP
import Inference
import NIOCore
import NIOEmbedded
import Serving
import Testing

@testable import API

@Suite struct DisconnectTests {
    static let usage = Usage(promptTokens: 1, completionTokens: 1, cachedTokens: 0)
    static let longBody = #"{"prompt":"\#(String(repeating: "x", count: 200))","temperature":0}"#

    @Test(arguments: [true, false]) func `a client that leaves is cancelled at once, queued or running`(streams: Bool) {
        for events in [
            [], [GenerationEvent.admitted(choice: 0, numericsID: "x")],
            [.admitted(choice: 0, numericsID: "x"), .delta(choice: 0, text: "a", tokens: [1], logprobs: [])],
        ] {
            let desk = Desk()
            let exchange = desk.chat(#","stream":\#(streams)"#)
            for event in events { desk.service.produce(event) }
            #expect(desk.service.cancelled.isEmpty)

            exchange.onClientGone?()
            #expect(desk.service.cancelled == [RequestID(1)])

            let written = exchange.written
            desk.service.produce(.delta(choice: 0, text: "late", tokens: [1], logprobs: []), .finished(Self.usage))
            desk.loop.advanceTime(by: .seconds(60))
            #expect(exchange.written == written && !exchange.isFinished)
            #expect(exchange.onClientGone == nil)
            #expect(desk.service.cancelled.count == 1)
        }
    }

    @Test func `after the answer's end nothing is cancelled`() {
        let desk = Desk()
        let exchange = desk.chat(#","stream":true"#)
        let whenGone = exchange.onClientGone
        desk.service.produce(.choiceFinished(choice: 0, .length), .finished(Self.usage))
        whenGone?()
        #expect(desk.service.cancelled.isEmpty)
        #expect(exchange.onClientGone == nil)
    }

    @Test func `a client that leaves before its body is read reaches nobody`() {
        let desk = Desk()
        let exchange = desk.send("POST", "/v1/completions", body: nil)
        exchange.onClientGone?()
        exchange.bodyArrives(.success(Array(#"{"prompt":"Hi"}"#.utf8)))
        exchange.bodyArrives(.failure(.incomplete))
        #expect(desk.service.submitted.isEmpty && exchange.status == nil)
        #expect(desk.get("/metrics").text.contains(#"{route="/v1/completions",status="499"} 1"#))
    }

    @Test func `long bodies are prepared on another thread, and their clients may leave meanwhile`() {
        let desk = Desk { $0.inlineByteCountMax = 100 }
        desk.offloaded.isHeld = true
        let staying = desk.post("/v1/completions", Self.longBody)
        let leaving = desk.post("/v1/completions", Self.longBody)
        #expect(desk.offloaded.count == 2)
        #expect(desk.service.submitted.isEmpty)

        leaving.onClientGone?()
        desk.offloaded.runAll()
        desk.loop.run()

        #expect(desk.service.submitted.count == 1)
        #expect(staying.onClientGone != nil)
        #expect(leaving.status == nil && desk.service.cancelled.isEmpty)
    }

    @Test func `errors found on another thread are answered on the loop`() {
        let desk = Desk { $0.inlineByteCountMax = 100 }
        desk.offloaded.isHeld = true
        let exchange = desk.post("/v1/completions", Self.longBody + "}")
        #expect(exchange.status == nil)
        desk.offloaded.runAll()
        #expect(exchange.status == nil)
        desk.loop.run()
        #expect(exchange.status == 400)
    }

    @Test func `only so many long bodies are taken at once, and places are given back`() throws {
        let desk = Desk {
            $0.inlineByteCountMax = 100
            $0.preparationCountMax = 1
        }
        desk.offloaded.isHeld = true
        let first = desk.post("/v1/completions", Self.longBody)
        let second = desk.post("/v1/completions", Self.longBody)
        #expect(second.status == 429 && second.header("retry-after") == "2")
        first.onClientGone?()
        desk.offloaded.runAll()
        desk.loop.run()
        desk.post("/v1/completions", Self.longBody)
        #expect(desk.offloaded.count == 1)
    }

    @Test func `a reader that is too slow is given up and its request cancelled`() {
        let desk = Desk { $0.unsentByteCountMax = 1_000 }
        let exchange = desk.chat(#","stream":true"#)
        exchange.unsentByteCount = 1_000
        desk.service.produce(.delta(choice: 0, text: "a", tokens: [1], logprobs: []))
        #expect(!exchange.isAborted)
        // Much may be written at once. It counts when it stays.
        for unsent in [1_001, 1_000, 5_000_000] {
            exchange.unsentByteCount = unsent
            desk.service.produce(.delta(choice: 0, text: "b", tokens: [1], logprobs: []))
            #expect(!exchange.isAborted)
            desk.loop.advanceTime(by: .seconds(9))
        }
        desk.service.produce(.delta(choice: 0, text: "b", tokens: [1], logprobs: []))
        #expect(!exchange.isAborted)
        desk.loop.advanceTime(by: .seconds(1))
        desk.service.produce(.delta(choice: 0, text: "b", tokens: [1], logprobs: []))
        #expect(exchange.isAborted && !exchange.isFinished)
        #expect(desk.service.cancelled == [RequestID(1)])
        let written = exchange.written
        desk.service.produce(.delta(choice: 0, text: "c", tokens: [1], logprobs: []), .finished(Self.usage))
        #expect(exchange.written == written)
    }

    @Test(arguments: ["finished", "failed", "gone", "slow", "refused", "refused by the service"])
    func `nothing is left of a call that is over`(ending: String) {
        for streams in [true, false] {
            let desk = Desk()
            weak var exchange: RecordingExchange?
            func run() {
                if ending == "refused by the service" { desk.service.refusal = .shuttingDown }
                let call = desk.chat(#","stream":\#(streams)\#(ending == "refused" ? ",\"n\":0" : "")"#)
                exchange = call
                desk.service.produce(.delta(choice: 0, text: "a", tokens: [1], logprobs: []))
                switch ending {
                case "finished": desk.service.produce(.choiceFinished(choice: 0, .length), .finished(Self.usage))
                case "failed": desk.service.produce(.failed(.internalFailure("x")))
                case "slow" where streams:
                    call.unsentByteCount = 5 << 20
                    for _ in 0..<2 {
                        desk.service.produce(.delta(choice: 0, text: "a", tokens: [1], logprobs: []))
                        desk.loop.advanceTime(by: .seconds(10))
                    }
                case "gone", "slow": call.onClientGone?()
                default: break
                }
                desk.service.forgetReceivers()
            }
            run()
            #expect(exchange == nil)
        }
    }
}
