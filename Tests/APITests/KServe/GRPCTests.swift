import FoundationEssentials
import HTTP
import Inference
import InferenceProtocol
import NIOCore
import NIOEmbedded
import Serving
import SwiftProtobuf
import Telemetry
import TestSupport
import Testing

@testable import API

/// `inference.GRPCInferenceService` and reflection, message by message.
@Suite struct KServeGRPCTests {
    static let usage = Usage(promptTokens: 2, completionTokens: 3, cachedTokens: 0)

    static func request(raw: Bool = true, id: String = "", _ change: (inout WireModelInferRequest) -> Void = { _ in })
        -> WireModelInferRequest
    {
        .with { request in
            request.modelName = "tiny"
            request.id = id
            request.inputs = [
                .with {
                    $0.name = "text_input"
                    $0.datatype = "BYTES"
                    $0.shape = [1]
                    if !raw { $0.contents.bytesContents = [Data("Hi".utf8)] }
                }
            ]
            if raw { request.rawInputContents = [Data([2, 0, 0, 0, 0x48, 0x69])] }
            change(&request)
        }
    }

    @Test func `who is there is told`() throws {
        let desk = GRPCDesk(models: [.tiny(), .tiny(name: "away")])
        desk.service.unreadyModels = ["away"]
        #expect(
            desk.call("ServerLive", WireServerLiveRequest()).responses(WireServerLiveResponse.self).first?.live == true)
        #expect(
            desk.call("ServerReady", WireServerReadyRequest()).responses(WireServerReadyResponse.self).first?.ready
                == true)
        for (model, isReady) in [("tiny", true), ("away", false)] {
            let answer = desk.call("ModelReady", WireModelReadyRequest.with { $0.name = model })
            #expect(answer.responses(WireModelReadyResponse.self).map(\.ready) == [isReady])
            #expect(answer.status == GRPCStatus(.ok))
        }
        let server = desk.call("ServerMetadata", WireServerMetadataRequest()).responses(WireServerMetadataResponse.self)
        #expect(server.first?.name == "apus" && server.first?.version == "1.2.3")
        #expect(server.first?.extensions.contains("binary_tensor_data") == true)

        let index =
            desk.call("RepositoryIndex", WireRepositoryIndexRequest())
            .responses(WireRepositoryIndexResponse.self).first?.models ?? []
        #expect(index.map(\.name) == ["tiny", "away"] && index.map(\.state) == ["READY", "UNAVAILABLE"])
        let ready =
            desk.call("RepositoryIndex", WireRepositoryIndexRequest.with { $0.ready = true })
            .responses(WireRepositoryIndexResponse.self).first?.models ?? []
        #expect(ready.map(\.name) == ["tiny"])
        #expect(desk.metrics.counter(.grpcCalls, labels: ["ModelReady", "0"]).value == 2)
    }

    @Test func `a model's tensors are the same in metadata and configuration`() throws {
        let desk = GRPCDesk()
        let metadata = try #require(
            desk.call("ModelMetadata", WireModelMetadataRequest.with { $0.name = "tiny" })
                .responses(WireModelMetadataResponse.self).first)
        let config = try #require(
            desk.call("ModelConfig", WireModelConfigRequest.with { $0.name = "tiny" })
                .responses(WireModelConfigResponse.self).first?.config)
        #expect(metadata.inputs.map(\.name) == TextInput.allCases.map(\.rawValue))
        #expect(metadata.outputs.map(\.name) == TextOutput.allCases.dropLast().map(\.rawValue))
        #expect(metadata.properties["context_length"] == "256" && metadata.versions == ["1"])
        #expect(config.input.map(\.name) == metadata.inputs.map(\.name))
        #expect(config.output.map(\.dims) == metadata.outputs.map(\.shape))
        #expect(config.input.first?.dataType == .typeString && config.modelTransactionPolicy.decoupled)
    }

    @Test(arguments: [true, false]) func `tensors come back as they came: raw or in typed fields`(raw: Bool) throws {
        let desk = GRPCDesk()
        let call = desk.call(
            "ModelInfer",
            Self.request(raw: raw, id: "q") { request in
                request.parameters["max_tokens"] = .with { $0.int64Param = 4 }
                request.parameters["temperature"] = .with { $0.doubleParam = 0.5 }
                request.outputs = ["text_output", "num_output_tokens"].map { name in .with { $0.name = name } }
            })
        let asked = try #require(desk.service.submitted.first)
        #expect(asked.prompts == [[0x48, 0x69]] && asked.sampling.maxTokens == 4 && asked.sampling.temperature == 0.5)
        desk.service.produce(
            .admitted(choice: 0, numericsID: "x"), .delta(choice: 0, text: "é", tokens: [1, 2], logprobs: []),
            .choiceFinished(choice: 0, .stop(nil)), .finished(Self.usage))

        let response = try #require(call.responses(WireModelInferResponse.self).first)
        #expect(response.id == "q" && response.modelName == "tiny" && response.modelVersion == "1")
        #expect(response.outputs.map(\.name) == ["text_output", "num_output_tokens"])
        if raw {
            #expect(response.rawOutputContents == [Data([2, 0, 0, 0, 0xc3, 0xa9]), Data([3, 0, 0, 0])])
            #expect(response.outputs.allSatisfy { !$0.hasContents })
        } else {
            #expect(response.rawOutputContents.isEmpty)
            #expect(response.outputs.first?.contents.bytesContents == [Data("é".utf8)])
            #expect(response.outputs.last?.contents.uintContents == [3])
        }
        #expect(call.status == GRPCStatus(.ok))
    }

    struct Refusal: Sendable {
        var code: GRPCStatusCode
        var says: String
        var change: @Sendable (inout WireModelInferRequest) -> Void
        init(
            _ code: GRPCStatusCode, _ says: String, _ change: @escaping @Sendable (inout WireModelInferRequest) -> Void
        ) {
            (self.code, self.says, self.change) = (code, says, change)
        }
    }

    /// An input of one element.
    private static func one(_ name: String, _ datatype: String) -> WireModelInferRequest.InferInputTensor {
        .with {
            $0.name = name
            $0.datatype = datatype
            $0.shape = [1]
        }
    }

    static let refusals: [Refusal] = [
        Refusal(.notFound, "nobody") { $0.modelName = "nobody" },
        Refusal(.notFound, "version 1 only") { $0.modelVersion = "2" },
        Refusal(.invalidArgument, "text_input is required") {
            $0.inputs = []
            $0.rawInputContents = []
        },
        Refusal(.invalidArgument, "for all of them or for none") { $0.rawInputContents.append(Data()) },
        Refusal(.invalidArgument, "inputs[0].contents must be empty") { $0.inputs[0].contents.boolContents = [true] },
        Refusal(.invalidArgument, "text_input has 0 elements in bytes_contents") { $0.rawInputContents = [] },
        Refusal(.invalidArgument, "says it has 9 bytes") { $0.rawInputContents = [Data([9, 0, 0, 0])] },
        Refusal(.invalidArgument, "top_p must be between 0 and 1") {
            $0.parameters["top_p"] = .with { $0.doubleParam = .nan }
        },
        Refusal(.invalidArgument, "seed must be between") { $0.parameters["seed"] = .with { $0.uint64Param = .max } },
        Refusal(.invalidArgument, "shared_memory_region") {
            $0.inputs[0].parameters["shared_memory_region"] = .with { $0.stringParam = "r" }
        },
        Refusal(.invalidArgument, "inputs may have 10 elements") {
            $0.inputs = Array(repeating: .init(), count: 11)
            $0.rawInputContents = []
        },
        Refusal(.invalidArgument, #""logits" is no output"#) { $0.outputs = [.with { $0.name = "logits" }] },
        Refusal(.invalidArgument, #""words" is no input"#) { $0.inputs[0].name = "words" },
        Refusal(.invalidArgument, "text_input must be BYTES") { $0.inputs[0].datatype = "FP32" },
        Refusal(.invalidArgument, "1 to 8 dimensions") { $0.inputs[0].shape = [] },
        Refusal(.invalidArgument, "every dimension must be at least 1") { $0.inputs[0].shape = [-1] },
        Refusal(.invalidArgument, "their product a number") { $0.inputs[0].shape = [.max, .max] },
        Refusal(.invalidArgument, "must have the shape [n] or [n,1]") { $0.inputs[0].shape = [1, 1, 1] },
        Refusal(.invalidArgument, "text_input is given twice") {
            $0.inputs.append($0.inputs[0])
            $0.rawInputContents.append($0.rawInputContents[0])
        },
        Refusal(.invalidArgument, "must not both be given") {
            $0.inputs.append(one("input_ids", "INT32"))
            $0.rawInputContents.append(Data([1, 0, 0, 0]))
        },
        Refusal(.invalidArgument, "input_ids[0] must be between 0 and 258") {
            $0.inputs[0] = one("input_ids", "INT32")
            $0.rawInputContents = [Data([0, 2, 0, 0])]
        },
        Refusal(.invalidArgument, "sampling_parameters is not valid JSON") {
            $0.inputs.append(one("sampling_parameters", "BYTES"))
            $0.rawInputContents.append(Data([1, 0, 0, 0, 0x7b]))
        },
        Refusal(.invalidArgument, "outputs may have") { $0.outputs = Array(repeating: .init(), count: 20) },
        Refusal(.invalidArgument, "id may have 1024 bytes") { $0.id = String(repeating: "x", count: 1_025) },
        Refusal(.invalidArgument, "classification") {
            $0.outputs = [
                .with {
                    $0.name = "text_output"
                    $0.parameters["classification"] = .with { $0.int64Param = 3 }
                }
            ]
        },
        Refusal(.invalidArgument, "stream must be false here") {
            $0.parameters["stream"] = .with { $0.boolParam = true }
        },
        Refusal(.invalidArgument, "temperature must be between 0 and 2") {
            $0.parameters["temperature"] = .with { $0.doubleParam = 7 }
        },
        Refusal(.invalidArgument, "max_tokens must be") {
            $0.parameters["max_tokens"] = .with { $0.stringParam = "many" }
        },
        Refusal(.invalidArgument, "context holds 256") { $0.parameters["max_tokens"] = .with { $0.int64Param = 300 } },
        Refusal(.invalidArgument, "best_of") { $0.parameters["best_of"] = .with { $0.int64Param = 2 } },
        Refusal(.invalidArgument, "priority is not supported") {
            $0.parameters["priority"] = .with { $0.int64Param = 1 }
        },
        Refusal(.invalidArgument, "sequence_id is not supported") {
            $0.parameters["sequence_id"] = .with { $0.stringParam = "a" }
        },
        Refusal(.invalidArgument, "triton_x is not supported") {
            $0.parameters["triton_x"] = .with { $0.boolParam = true }
        },
        Refusal(.invalidArgument, "timeout must be") { $0.parameters["timeout"] = .with { $0.int64Param = -1 } },
    ]

    @Test(arguments: refusals.indices) func `a mistake ends the call with its code and names the input`(row: Int) {
        let refusal = Self.refusals[row]
        let desk = GRPCDesk()
        let status = desk.call("ModelInfer", Self.request(refusal.change)).status
        #expect(status?.code == refusal.code)
        #expect(
            status?.message.contains(refusal.says) == true, "\(status?.message ?? "")")
        #expect(desk.service.submitted.isEmpty)
    }

    @Test func `what the service refuses or fails with has its own code`() {
        for (error, code) in [
            (ServeError.queueFull(limit: 3, retryAfterSeconds: 2), GRPCStatusCode.resourceExhausted),
            (.shuttingDown, .unavailable), (.timedOut(afterSeconds: 1), .deadlineExceeded),
            (.internalFailure("x"), .internalError), (.unavailable("x"), .unavailable),
        ] {
            let desk = GRPCDesk()
            desk.service.refusal = error
            #expect(desk.call("ModelInfer", Self.request()).status?.code == code)
            desk.service.refusal = nil
            let call = desk.call("ModelInfer", Self.request())
            desk.service.produce(.failed(error))
            #expect(call.status?.code == code)
            let failed = InferenceCounters.Failure.allCases.reduce(0) {
                $0 + desk.metrics.counter(.inferFailure, labels: ["tiny", "1", $1.rawValue]).value
            }
            #expect(failed == 2)
        }
    }

    @Test func `a parameter that nobody knows changes nothing`() {
        let desk = GRPCDesk()
        desk.call("ModelInfer", Self.request { $0.parameters["x_unheard_of"] = .with { $0.stringParam = "x" } })
        desk.call("ModelInfer", Self.request())
        let asked = desk.service.submitted
        #expect(asked.count == 2 && asked.first?.sampling == asked.last?.sampling)
    }

    /// Who compares each with all the others is busy for minutes.
    @Test(.timeLimit(.minutes(1))) func `hundreds of thousands of parameters are a moment's work`() {
        let desk = GRPCDesk()
        desk.call(
            "ModelInfer",
            Self.request { request in
                for number in 0..<200_000 { request.parameters["\(100_000 + number)"] = .with { $0.boolParam = true } }
            })
        desk.loop.run()
        #expect(desk.service.submitted.count == 1)
    }

    @Test func `the client's deadline is the request's, and its leaving cancels`() throws {
        let desk = GRPCDesk()
        let call = desk.call("ModelInfer", Self.request(), timeout: "1500m")
        #expect(desk.service.submitted.first?.requestTimeoutSeconds == 1.5)
        call.exchange.onClientGone?()
        #expect(desk.service.cancelled == [RequestID(1)])
        desk.service.produce(.finished(Self.usage))
        #expect(call.exchange.written.isEmpty)
        #expect(desk.metrics.counter(.grpcCalls, labels: ["ModelInfer", "1"]).value == 1)

        desk.call("ModelInfer", Self.request { $0.parameters["timeout"] = .with { $0.int64Param = 2_500_000 } })
        #expect(desk.service.submitted.last?.queueTimeoutSeconds == 2.5)
        #expect(desk.service.submitted.last?.requestTimeoutSeconds == nil)
    }

    @Test(arguments: ["ModelInfer", "ModelStreamInfer"])
    func `nothing is left of a request whose client has gone`(method: String) {
        let desk = GRPCDesk()
        let call = desk.call(method, Self.request())
        weak let request = desk.service.lastReceiver
        #expect(request != nil)

        call.exchange.onClientGone?()
        desk.service.forgetReceivers()

        #expect(request == nil)
    }

    @Test func `requests on a stream run side by side, and one that fails leaves the others`() {
        let desk = GRPCDesk()
        let stream = desk.open("/inference.GRPCInferenceService/ModelStreamInfer")
        for id in ["a", "b"] {
            stream.send(
                Self.request(id: id) {
                    $0.parameters["triton_enable_empty_final_response"] = .with { $0.boolParam = id == "a" }
                })
        }
        stream.send(Self.request(id: "wrong") { $0.parameters["n"] = .with { $0.int64Param = 2 } })
        let piece = { (text: String) in GenerationEvent.delta(choice: 0, text: text, tokens: [1], logprobs: []) }
        desk.service.produce(to: 0, piece("x"))
        desk.service.produce(to: 1, piece("y"), .choiceFinished(choice: 0, .length), .finished(Self.usage))
        stream.end()
        #expect(stream.status == nil)
        desk.service.produce(to: 0, piece("z"), .choiceFinished(choice: 0, .length), .finished(Self.usage))

        let told = stream.responses(WireModelStreamInferResponse.self).map { response in
            let inferred = response.inferResponse
            let text = inferred.rawOutputContents.map { String(decoding: $0.dropFirst(4), as: UTF8.self) }.joined()
            let isFinal = inferred.parameters["triton_final_response"]?.boolParam ?? false
            return "\(inferred.id):\(text)\(isFinal ? "." : "")\(response.errorMessage.isEmpty ? "" : "!")"
        }
        #expect(told == ["wrong:!", "a:x", "b:y", "a:z", "a:."])
        #expect(stream.status == GRPCStatus(.ok))
    }

    @Test func `a stream's end cancels all that runs on it`() {
        let desk = GRPCDesk()
        let stream = desk.open("/inference.GRPCInferenceService/ModelStreamInfer")
        for id in ["a", "b"] { stream.send(Self.request(id: id)) }
        stream.exchange.onClientGone?()
        #expect(Set(desk.service.cancelled) == [RequestID(1), RequestID(2)])

        let bad = desk.open("/inference.GRPCInferenceService/ModelStreamInfer")
        bad.send(Self.request(id: "c"))
        bad.send(bytes: [0xff])
        #expect(bad.status?.code == .invalidArgument && desk.service.cancelled.last == RequestID(3))

        let slow = GRPCDesk { $0.unsentByteCountMax = 10 }
        let reader = slow.open("/inference.GRPCInferenceService/ModelStreamInfer")
        reader.send(Self.request())
        reader.exchange.unsentByteCount = 11
        slow.service.produce(.delta(choice: 0, text: "x", tokens: [1], logprobs: []))
        #expect(reader.status == nil)
        slow.loop.advanceTime(by: .seconds(10))
        slow.service.produce(.delta(choice: 0, text: "x", tokens: [1], logprobs: []))
        #expect(reader.status?.code == .resourceExhausted && slow.service.cancelled == [RequestID(1)])
    }

    @Test func `a stream holds no more requests than its limit`() {
        let desk = GRPCDesk { $0.sequenceCountMax = 2 }
        let stream = desk.open("/inference.GRPCInferenceService/ModelStreamInfer")
        for id in ["a", "b", "c"] { stream.send(Self.request(id: id)) }
        let refused = stream.responses(WireModelStreamInferResponse.self)
        #expect(refused.map(\.inferResponse.id) == ["c"] && refused.first?.errorMessage.contains("2 requests") == true)
        #expect(desk.service.submitted.count == 2)
    }

    @Test func `statistics and metrics count the same`() throws {
        let desk = GRPCDesk()
        desk.loop.advanceTime(by: .seconds(1))
        desk.call("ModelInfer", Self.request { $0.parameters["n"] = .with { $0.int64Param = 3 } })
        desk.loop.advanceTime(by: .milliseconds(20))
        #expect(desk.metrics.gauge(.inferPending, labels: ["tiny", "1"]).value == 1)
        desk.service.produce(.admitted(choice: 0, numericsID: "x"))
        #expect(desk.metrics.gauge(.inferPending, labels: ["tiny", "1"]).value == 0)
        desk.loop.advanceTime(by: .milliseconds(300))
        desk.service.produce(.finished(Self.usage))
        desk.call("ModelInfer", Self.request())
        desk.loop.advanceTime(by: .milliseconds(7))
        desk.service.produce(.failed(.internalFailure("x")))

        let answer = desk.call("ModelStatistics", WireModelStatisticsRequest())
        let model = try #require(answer.responses(WireModelStatisticsResponse.self).first?.modelStats.first)
        #expect(model.inferenceCount == 3 && model.executionCount == 1 && model.lastInference == 1_700_000_000_000)
        let stats = model.inferenceStats
        #expect(
            stats.success
                == .with {
                    $0.count = 1; $0.ns = 320_000_000
                })
        #expect(stats.queue.ns == 20_000_000 && stats.computeInfer.ns == 300_000_000)
        #expect(
            stats.fail
                == .with {
                    $0.count = 1; $0.ns = 7_000_000
                })
        let labels = ["tiny", "1"]
        #expect(desk.metrics.counter(.inferSuccess, labels: labels).value == 1)
        #expect(desk.metrics.counter(.inferCount, labels: labels).value == 3)
        #expect(desk.metrics.counter(.inferQueueTime, labels: labels).value == 20_000)
        #expect(desk.metrics.counter(.inferFailure, labels: labels + ["BACKEND"]).value == 1)
    }

    @Test func `what cannot be done here is unimplemented, and says why`() {
        let desk = GRPCDesk()
        let load = desk.call("RepositoryModelLoad", WireRepositoryModelLoadRequest.with { $0.modelName = "tiny" })
        #expect(load.status?.code == .unimplemented && load.status?.message.contains("apus worker") == true)
        #expect(desk.call("RepositoryModelUnload", WireRepositoryModelUnloadRequest()).status?.code == .unimplemented)
        #expect(desk.call("LogSettings", WireLogSettingsRequest()).status?.code == .unimplemented)
        let off = desk.call("TraceSetting", WireTraceSettingRequest())
        #expect(off.responses(WireTraceSettingResponse.self).first?.settings["trace_level"]?.value == ["OFF"])
        let on = WireTraceSettingRequest.with { $0.settings["trace_level"] = .with { $0.value = ["TIMESTAMPS"] } }
        #expect(desk.call("TraceSetting", on).status?.code == .unimplemented)
        #expect(desk.call("SystemSharedMemoryStatus", WireServerLiveRequest()).status?.code == .unimplemented)
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func `damaged messages never hurt`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let whole: [UInt8] = try Self.request(id: "q") { request in
            request.parameters["temperature"] = .with { $0.doubleParam = 0.5 }
            request.inputs.append(
                .with {
                    $0.name = "stream"; $0.datatype = "BOOL"; $0.shape = [1]
                })
            request.rawInputContents.append(Data([0]))
        }.serializedBytes()
        let model = ServedModel.tiny()
        for _ in 0..<400 {
            var bytes = whole
            for _ in 0..<random.below(3) + 1 {
                let at = random.below(bytes.count)
                switch random.below(3) {
                case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.removeSubrange(at..<min(bytes.count, at + 1 + random.below(8)))
                default: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: at)
                }
            }
            let desk = GRPCDesk(models: [model])
            let call = desk.open("/inference.GRPCInferenceService/ModelInfer")
            call.send(bytes: bytes)
            call.end()
            let isRefused = [.invalidArgument, .notFound].contains(call.status?.code)
            #expect(isRefused != (desk.service.submitted.count == 1), "\(call.status.map { "\($0)" } ?? "none")")
        }
    }
}

@Suite struct ServerReflectionTests {
    private func ask(
        _ desk: GRPCDesk, _ version: String = "v1", _ changes: (inout WireServerReflectionRequest) -> Void...
    ) -> [WireServerReflectionResponse] {
        let call = desk.open("/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo")
        for change in changes { call.send(WireServerReflectionRequest.with(change)) }
        call.end()
        #expect(call.status == GRPCStatus(.ok))
        return call.responses()
    }

    @Test func `services are listed, under both of its own names`() {
        for version in ["v1", "v1alpha"] {
            let services = ask(GRPCDesk(), version) { $0.listServices = "" }
                .first?.listServicesResponse.service.map(\.name)
            #expect(
                services == [
                    "externalscaler.ExternalScaler", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                    "grpc.reflection.v1alpha.ServerReflection", "inference.GRPCInferenceService",
                ])
        }
    }

    @Test(
        arguments: [
            ("inference.GRPCInferenceService", "inference/inference.proto"),
            ("inference.GRPCInferenceService.ModelInfer", "inference/inference.proto"),
            ("inference.ModelInferRequest.InferInputTensor", "inference/inference.proto"),
            ("inference.DataType", "inference/inference.proto"),
            ("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"),
        ])
    func `a file is found by its symbols and by its name, with all methods that are answered`(
        symbol: String, file: String
    ) throws {
        let found = ask(GRPCDesk(), "v1", { $0.fileContainingSymbol = symbol }, { $0.fileByFilename = file })
        #expect(found.count == 2)
        for response in found {
            let bytes = try #require(response.fileDescriptorResponse.fileDescriptorProto.first)
            #expect(try Google_Protobuf_FileDescriptorProto(serializedBytes: Array(bytes)).name == file)
        }
    }

    @Test func `each method that reflection tells of is answered`() throws {
        let desk = GRPCDesk()
        let methods = try GRPCDesk.inferenceMethods()
        #expect(methods.count == 14)
        for method in methods {
            let status = desk.call(method, WireModelInferRequest()).status
            #expect(status?.message.contains("there is no method") != true, "\(method)")
        }
    }

    @Test func `what is not there is not found, and the call goes on`() {
        let answers = ask(
            GRPCDesk(), "v1", { $0.fileByFilename = "x" }, { $0.fileContainingSymbol = "x" },
            { $0.allExtensionNumbersOfType = "x" }, { $0.fileContainingExtension = .with { $0.containingType = "x" } },
            { _ in }, { $0.allExtensionNumbersOfType = "inference.ModelConfig" })
        #expect(answers.map(\.errorResponse.errorCode) == [5, 5, 5, 5, 3, 0])
        #expect(answers.last?.allExtensionNumbersResponse.baseTypeName == "inference.ModelConfig")
    }
}
