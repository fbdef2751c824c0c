import Foundation
import HTTP
import InferenceProtocol
import NIOCore
import Serving
import SwiftProtobuf
import Telemetry
import Testing

@testable import API

/// Names that stand for models.
@Suite struct ModelAliasTests {
    static let split = ModelAlias(
        name: "canary", targets: [.init(model: "old", weight: 3), .init(model: "new", weight: 1)])
    static let aliases = [
        split, ModelAlias(name: "chat", targets: [.init(model: "new", weight: 1)]),
        ModelAlias(name: "gone", targets: [.init(model: "nowhere", weight: 1)]),
        // An alias stands for models, not for aliases.
        ModelAlias(name: "twice", targets: [.init(model: "chat", weight: 1)]),
    ]

    static func desk(models: [ServedModel] = [.tiny(name: "new", contextLength: 128), .tiny(name: "old")]) -> Desk {
        Desk(models: models) { $0.aliases = aliases }
    }

    static func body(_ model: String, _ prompt: String) -> String { #"{"model":"\#(model)","prompt":"\#(prompt)"}"# }

    @Test func `a split divides requests by weight, and the same request always gets the same model`() {
        let desks = [Self.desk(), Self.desk()]
        for prompt in 0..<400 {
            for desk in desks { desk.post("/v1/completions", Self.body("canary", "\(prompt)")) }
        }
        let chosen = desks.map { $0.service.submitted.map(\.model) }
        #expect(chosen[0] == chosen[1])
        // 400 draws with probability 3/4: 300 in the mean, deviation below 9.
        let old = chosen[0].count { $0 == "old" }
        #expect((260...340).contains(old), "\(old)")
        for model in ["old", "new"] {
            let counter = desks[0].metrics.counter(.aliasChoices, labels: ["canary", model])
            #expect(counter.value == chosen[0].count { $0 == model })
        }
    }

    @Test func `an answer names the model that gave it, in every dialect`() throws {
        let desk = Self.desk()
        let usage = Usage(promptTokens: 1, completionTokens: 1, cachedTokens: 0)
        let openAI = desk.post("/v1/completions", Self.body("chat", "Hi"))
        desk.service.produce(.choiceFinished(choice: 0, .length), .finished(usage))
        let v2 = desk.post("/v2/models/chat/generate", #"{"text_input":"Hi"}"#)
        desk.service.produce(.choiceFinished(choice: 0, .length), .finished(usage))
        let grpc = GRPCDesk(models: desk.service.models) { $0.aliases = Self.aliases }
        let call = grpc.call(
            "ModelInfer",
            WireModelInferRequest.with {
                $0.modelName = "chat"
                $0.inputs = [
                    .with {
                        $0.name = "text_input"
                        $0.datatype = "BYTES"
                        $0.shape = [1]
                        $0.contents.bytesContents = [Data("Hi".utf8)]
                    }
                ]
            })
        grpc.service.produce(.choiceFinished(choice: 0, .length), .finished(usage))

        #expect(openAI.text.contains(#""model":"new""#), "\(openAI.text)")
        #expect(v2.text.contains(#""model_name":"new""#), "\(v2.text)")
        #expect(call.responses(WireModelInferResponse.self).map(\.modelName) == ["new"], "\(call.status as Any)")
        #expect(desk.metrics.counter(.aliasChoices, labels: ["chat", "new"]).value == 2)
    }

    @Test func `what is not served gets no requests`() {
        let desk = Self.desk(models: [.tiny(name: "new")])
        for prompt in 0..<20 { desk.post("/v1/completions", Self.body("canary", "\(prompt)")) }
        #expect(desk.service.submitted.count == 20 && desk.service.submitted.allSatisfy { $0.model == "new" })
        for name in ["gone", "twice"] {
            let refusal = desk.post("/v1/completions", Self.body(name, "Hi"))
            #expect(refusal.status == 503)
            #expect(refusal.text.contains("No model that \\\"\(name)\\\" stands for is served now."), "\(refusal.text)")
        }
        #expect(desk.post("/v1/completions", Self.body("other", "Hi")).status == 404)
    }

    @Test func `an alias comes before a model of its name`() {
        let split = ModelAlias(name: "new", targets: [.init(model: "old", weight: 1)])
        let desk = Desk(models: [.tiny(name: "new"), .tiny(name: "old")]) { $0.aliases = [split] }
        desk.post("/v1/completions", Self.body("new", "Hi"))
        #expect(desk.service.submitted.map(\.model) == ["old"])
        #expect(desk.get("/v2/models").text == #"{"models":["old","new"]}"#)
    }

    @Test func `aliases are listed, with what stands behind them`() {
        let desk = Self.desk()
        desk.service.unreadyModels = ["old"]
        let list = desk.get("/v1/models").text
        let split =
            #"{"id":"canary","object":"model","created":1600000000,"owned_by":"apus","max_model_len":128,"#
            + #""root":"old","targets":[{"id":"old","weight":3},{"id":"new","weight":1}]}"#
        #expect(list.contains(split), "\(list)")
        #expect(!list.contains("gone") && !list.contains("twice"))
        #expect(desk.get("/v1/models/canary").text == split)
        #expect(desk.get("/v1/models/gone").status == 503)
        #expect(desk.get("/v1/models/other").status == 404)
        #expect(desk.get("/v2/models").text == #"{"models":["new","old","canary","chat"]}"#)
        #expect(desk.get("/v2/models/chat").text.hasPrefix(#"{"name":"new""#))
        #expect(
            desk.post("/v2/repository/index", #"{"ready":true}"#).text
                == #"[{"name":"new","version":"1","state":"READY","reason":""},"#
                + #"{"name":"canary","version":"1","state":"READY","reason":""},"#
                + #"{"name":"chat","version":"1","state":"READY","reason":""}]"#)
    }
}
