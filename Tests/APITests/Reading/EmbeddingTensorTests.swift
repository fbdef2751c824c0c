import Foundation
import Inference
import InferenceProtocol
import Serving
import SwiftProtobuf
import Testing

@testable import API

/// Embeddings as tensors of the Open Inference Protocol.
@Suite struct EmbeddingTensorTests {
    static let usage = Usage(promptTokens: 3, completionTokens: 0, cachedTokens: 0)
    static let texts = #"{"inputs":[{"name":"text_input","shape":[2],"datatype":"BYTES","data":["Hi","a"]}]"#

    @Test func `texts in, vectors of FP32 out`() {
        let desk = Desk(models: [ReadingRequestTests.embedder])
        let exchange = desk.post("/v2/models/e/infer", Self.texts + "}")
        #expect(desk.service.submitted.map(\.prompts) == [[[72, 105], [97]]])
        #expect(desk.service.submitted[0].pooling == [Pooling(), Pooling()])

        desk.service.produce(
            .pooled(choice: 1, [0, 1]), .pooled(choice: 0, [0.5, -0.5]), .choiceFinished(choice: 0, .stop(nil)),
            .finished(Self.usage))

        #expect(
            exchange.text == #"{"model_name":"e","model_version":"1","outputs":[{"name":"embedding","datatype":"FP32","#
                + #""shape":[2,2],"data":[0.5,-0.5,0.0,1.0]}]}"#)
    }

    @Test func `generate gives one vector as a list, and counts tokens where asked`() {
        let desk = Desk(models: [ReadingRequestTests.embedder])
        let exchange = desk.post("/v2/models/e/generate", #"{"text_input":"Hi","return_num_input_tokens":true}"#)

        desk.service.produce(.pooled(choice: 0, [1, 0]), .finished(Self.usage))

        #expect(exchange.text.hasSuffix(#""embedding":[1.0,0.0],"num_input_tokens":2}"#), "\(exchange.text)")
    }

    @Test func `gRPC has the same in raw bytes`() throws {
        let desk = GRPCDesk(models: [ReadingRequestTests.embedder])
        var request = WireModelInferRequest()
        request.modelName = "e"
        request.inputs = [
            .with {
                $0.name = "text_input"
                $0.datatype = "BYTES"
                $0.shape = [1]
            }
        ]
        request.rawInputContents = [Data([2, 0, 0, 0, 72, 105])]
        let call = desk.call("ModelInfer", request)

        desk.service.produce(.pooled(choice: 0, [1, -2.5]), .finished(Self.usage))

        let response = try #require(call.responses(WireModelInferResponse.self).first)
        #expect(response.outputs.map(\.name) == ["embedding"] && response.outputs.map(\.shape) == [[1, 2]])
        #expect(response.rawOutputContents == [Data([0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0])])
    }

    @Test func `a model's tensors are its own`() {
        let desk = Desk(models: [ReadingRequestTests.embedder, ReadingRequestTests.scorer])

        let metadata = desk.get("/v2/models/e").text
        let configuration = desk.get("/v2/models/e/config").text

        #expect(metadata.contains(#"{"name":"embedding","datatype":"FP32","shape":[-1,-1]}"#), "\(metadata)")
        #expect(!metadata.contains("text_output") && !metadata.contains("sampling_parameters"))
        #expect(configuration.contains(#""decoupled":false"#))
        #expect(desk.get("/v2/models/s").text.contains(#""inputs":[],"outputs":[]"#))
    }

    @Test(arguments: [
        ("/v2/models/e/infer", texts + #","outputs":[{"name":"text_output"}]}"#, "no output of an embedding model"),
        ("/v2/models/e/infer", texts + #","parameters":{"dimensions":1,"normalize":false}}"#, "normalize"),
        ("/v2/models/e/generate", #"{"text_input":"12345678901234567"}"#, "17 tokens"),
        ("/v2/models/e/generate_stream", #"{"text_input":"a","stream":true}"#, "come whole"),
        ("/v2/models/s/generate", #"{"text_input":"a"}"#, "/v1/score"),
    ]) func `what a model does not do is refused`(_ path: String, _ body: String, _ says: String) {
        let desk = Desk(models: [ReadingRequestTests.embedder, ReadingRequestTests.scorer])

        let exchange = desk.post(path, body)

        #expect(exchange.status == 400 && exchange.text.contains(says), "\(exchange.text)")
        #expect(desk.service.submitted.isEmpty)
    }
}
