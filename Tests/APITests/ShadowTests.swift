import Foundation
import HTTP
import Inference
import InferenceProtocol
import NIOCore
import NIOEmbedded
import Serving
import SwiftProtobuf
import Telemetry
import Testing

@testable import API

/// Copies of requests for a model that is only watched.
@Suite struct ShadowTests {
    static func desk(percent: Int = 100, shadow: ServedModel = .tiny(name: "shadow", addsBOS: true)) -> Desk {
        let desk = Desk(models: [shadow, .tiny()]) {
            $0.shadows = [ModelShadow(model: "tiny", shadow: "shadow", percent: percent)]
            $0.aliases = [ModelAlias(name: "chat", targets: [.init(model: "tiny", weight: 1)])]
            $0.tenantHeader = "tenant"
        }
        desk.offloaded.isHeld = true
        return desk
    }

    static func count(_ desk: Desk, _ outcome: String) -> Int {
        desk.metrics.counter(.shadowRequests, labels: ["tiny", "shadow", outcome]).value
    }

    /// Lets the copies be read, and asked.
    static func copy(_ desk: Desk) {
        desk.offloaded.runAll()
        desk.loop.run()
    }

    static let usage = Usage(promptTokens: 1, completionTokens: 1, cachedTokens: 0)

    @Test func `a copy is read for the shadow, with the seed of the original, and is on nobody's account`() throws {
        let desk = Self.desk()
        let answer = desk.post(
            "/v1/completions", #"{"model":"tiny","prompt":"Hi","temperature":0.5,"priority":-3}"#,
            headers: [HTTPField("tenant", "a")])
        #expect(desk.service.submitted.map(\.model) == ["tiny"])
        Self.copy(desk)

        #expect(desk.service.submitted.map(\.model) == ["tiny", "shadow"])
        let (own, copy) = (desk.service.submitted[0], try #require(desk.service.submitted.last))
        #expect(!own.isCopy && copy.isCopy)
        #expect(own.prompts == [[72, 105]] && copy.prompts == [[258, 72, 105]])
        #expect(copy.sampling.seed == own.sampling.seed && copy.sampling.temperature == 0.5)
        #expect(own.priority == 3 && copy.priority == Int(Int32.min))
        #expect(copy.tenant == "a" && copy.salt == own.salt)

        desk.service.produce(to: 1, .delta(choice: 0, text: "no", tokens: [1], logprobs: []), .finished(Self.usage))
        #expect(answer.status == nil)
        desk.service.produce(
            to: 0, .delta(choice: 0, text: "yes", tokens: [1], logprobs: []), .choiceFinished(choice: 0, .length),
            .finished(Self.usage))
        #expect(answer.text.contains(#""text":"yes""#) && !answer.text.contains("no\""))
        #expect(Self.count(desk, "completed") == 1)
    }

    @Test(arguments: [
        ("/v1/completions", #"{"model":"chat","prompt":"Hi"}"#),
        ("/v1/chat/completions", #"{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"stream":true}"#),
        ("/v1/responses", #"{"model":"tiny","input":"Hi"}"#),
        ("/v1/messages", #"{"model":"tiny","max_tokens":4,"messages":[{"role":"user","content":"Hi"}]}"#),
        ("/api/generate", #"{"model":"tiny","prompt":"Hi"}"#),
        ("/v2/models/tiny/generate", #"{"text_input":"Hi"}"#),
    ])
    func `every dialect's requests are copied`(path: String, body: String) {
        let desk = Self.desk()
        desk.post(path, body)
        Self.copy(desk)
        #expect(desk.service.submitted.map(\.model) == ["tiny", "shadow"])
        #expect(desk.service.submitted.map(\.isCopy) == [false, true])
    }

    @Test func `calls of gRPC are copied`() {
        let desk = GRPCDesk(models: [.tiny(name: "shadow"), .tiny()]) {
            $0.shadows = [ModelShadow(model: "tiny", shadow: "shadow", percent: 100)]
        }
        desk.call(
            "ModelInfer",
            WireModelInferRequest.with {
                $0.modelName = "tiny"
                $0.inputs = [
                    .with {
                        $0.name = "text_input"
                        $0.datatype = "BYTES"
                        $0.shape = [1]
                        $0.contents.bytesContents = [Data("Hi".utf8)]
                    }
                ]
            })
        desk.loop.run()
        #expect(desk.service.submitted.map(\.model) == ["tiny", "shadow"])
    }

    @Test func `embeddings are copied to a model of their kind`() {
        let desk = Desk(
            models: [
                .tiny(name: "shadow", pooledOutput: .vector(size: 4)), .tiny(pooledOutput: .vector(size: 4)),
            ]
        ) { $0.shadows = [ModelShadow(model: "tiny", shadow: "shadow", percent: 100)] }
        desk.post("/v1/embeddings", #"{"model":"tiny","input":"Hi"}"#)
        Self.copy(desk)
        #expect(desk.service.submitted.map(\.model) == ["tiny", "shadow"])
        #expect(desk.service.submitted.last?.pooling?.count == 1)
    }

    @Test func `a share of requests is copied`() {
        let desk = Self.desk(percent: 25)
        for prompt in 0..<400 {
            desk.post("/v1/completions", #"{"model":"tiny","prompt":"\#(prompt)"}"#)
            Self.copy(desk)
        }
        let copies = desk.service.submitted.count { $0.isCopy }
        #expect((60...140).contains(copies), "\(copies)")
        #expect(desk.service.submitted.count - copies == 400)
    }

    @Test func `what the service refuses is not copied, nor what names the shadow itself`() {
        let desk = Self.desk()
        desk.service.refusal = .queueFull(limit: 1, retryAfterSeconds: 1)
        desk.complete()
        desk.service.refusal = nil
        desk.post("/v1/completions", #"{"model":"shadow","prompt":"Hi"}"#)
        #expect(desk.offloaded.count == 0)
    }

    @Test func `a copy that cannot be made is counted and felt by nobody`() {
        let short = Self.desk(shadow: .tiny(name: "shadow", contextLength: 2))
        let answer = short.complete(#","max_tokens":4"#)
        Self.copy(short)
        #expect(short.service.submitted.map(\.model) == ["tiny"])
        #expect(Self.count(short, "refused") == 1)
        #expect(!answer.isFinished)

        let away = Self.desk()
        away.service.unreadyModels = ["shadow"]
        away.complete()
        Self.copy(away)
        #expect(away.service.submitted.map(\.model) == ["tiny"] && Self.count(away, "dropped") == 1)

        let busy = Self.desk()
        for _ in 0..<8 { busy.complete() }
        #expect(Self.count(busy, "dropped") == 4)
        Self.copy(busy)
        #expect(busy.service.submitted.count == 12)

        let full = Self.desk()
        full.complete()
        full.service.refusal = .unavailable("no room")
        Self.copy(full)
        #expect(Self.count(full, "dropped") == 1)
    }

    @Test(arguments: [
        (ServeError.unavailable("room was needed"), "dropped"),
        (.contextExceeded(promptTokens: 9, maxTokens: 1, contextLength: 8), "refused"),
        (.internalFailure("two workers died"), "failed"),
    ])
    func `how a copy fails is counted`(error: ServeError, outcome: String) {
        let desk = Self.desk()
        let answer = desk.complete()
        Self.copy(desk)
        desk.service.produce(.failed(error))
        #expect(Self.count(desk, outcome) == 1)
        #expect(answer.status == nil)
    }
}
