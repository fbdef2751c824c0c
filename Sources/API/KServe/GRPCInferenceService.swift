package import HTTP
import InferenceProtocol
package import Logging
import NIOCore
package import Serving
import SwiftProtobuf
package import Telemetry

/// The service `inference.GRPCInferenceService`: the Open Inference Protocol with Triton's extensions, as REST has them.
///
/// Confined to the event loop of the service behind it.
package final class GRPCInferenceService {
    package static let name = "inference.GRPCInferenceService"
    let core: APICore

    /// - Parameters:
    ///   - access: nil where anyone may call.
    ///   - repository: nil where nothing can be loaded.
    ///   - logger: takes a line for each call that is refused; nil where nobody reads it.
    ///   - offload: runs work on some other thread, soon and always; see ``Offload``.
    package init(
        service: any GenerationService, metrics: MetricRegistry, inference: InferenceStatistics,
        options: APIOptions = APIOptions(), access: AccessControl? = nil, repository: (any ModelRepository)? = nil,
        logger: Logger? = nil, offload: @escaping Offload, surroundings: APISurroundings = .system
    ) {
        core = APICore(
            service: service, metrics: metrics, inference: inference, options: options, access: access,
            repository: repository, logger: logger, offload: offload, surroundings: surroundings)
    }

    /// How its listener should be: a call may be silent for long, a client that is gone may not stay.
    package static var listenerOptions: HTTPListenerOptions {
        var options = HTTPListenerOptions()
        options.timeouts.peerSilence = OpenCallLimits.silence
        return options
    }

    /// Adds all methods to a dispatcher, which then keeps this service.
    package func register(in dispatcher: GRPCDispatcher) {
        registerServer(in: dispatcher)
        registerModels(in: dispatcher)
        registerRepository(in: dispatcher)
        handle("ModelInfer", leavesLines: false, in: dispatcher) { call, caller, ended in
            InferCall(call, caller, self.core, ended).begin()
        }
        handle("ModelStreamInfer", leavesLines: false, in: dispatcher) { call, caller, ended in
            InferStream(call, caller, self.core, ended).begin()
        }
    }

    private func registerServer(in dispatcher: GRPCDispatcher) {
        let core = core
        unary("ServerLive", .probe, in: dispatcher) { (_: WireServerLiveRequest) in
            WireServerLiveResponse.with { $0.live = true }
        }
        unary("ServerReady", .probe, in: dispatcher) { (_: WireServerReadyRequest) in
            WireServerReadyResponse.with { $0.ready = core.service.isReady }
        }
        unary("ServerMetadata", in: dispatcher) { (_: WireServerMetadataRequest) in
            WireServerMetadataResponse.with {
                $0.name = ServerFacts.name
                $0.version = core.options.version
                $0.extensions = ServerFacts.extensions
            }
        }
        unary("TraceSetting", in: dispatcher) { (request: WireTraceSettingRequest) throws(APIError) in
            // Of the server, or of a model: they are the same.
            if !request.modelName.isEmpty {
                _ = try ModelVersion(request.modelName, "").find(in: core.directory, core.options)
            }
            for (name, setting) in request.settings where name != "trace_level" || !["", "OFF"].contains(setting.text) {
                throw .unimplemented(ServerFacts.noTraces)
            }
            return WireTraceSettingResponse.with { $0.settings["trace_level"] = .with { $0.value = ["OFF"] } }
        }
        unary("LogSettings", in: dispatcher) {
            (_: WireLogSettingsRequest) throws(APIError) -> WireLogSettingsResponse in
            throw .unimplemented(ServerFacts.logsAtStart)
        }
    }

    private func registerModels(in dispatcher: GRPCDispatcher) {
        let core = core
        func find(_ model: String, _ version: String) throws(APIError) -> ServedModel {
            try ModelVersion(model, version).find(in: core.directory, core.options)
        }
        unary("ModelReady", in: dispatcher) { (request: WireModelReadyRequest) throws(APIError) in
            let model = try find(request.name, request.version)
            return WireModelReadyResponse.with { $0.ready = core.service.isReady(model.name) }
        }
        unary("ModelMetadata", in: dispatcher) { (request: WireModelMetadataRequest) throws(APIError) in
            WireModelMetadataResponse(try find(request.name, request.version))
        }
        unary("ModelConfig", in: dispatcher) { (request: WireModelConfigRequest) throws(APIError) in
            let model = try find(request.name, request.version)
            return WireModelConfigResponse.with { $0.config = WireModelConfig(model) }
        }
        unary("ModelStatistics", in: dispatcher) { (request: WireModelStatisticsRequest) throws(APIError) in
            let models =
                request.name.isEmpty ? core.service.models : [try find(request.name, request.version)]
            return WireModelStatisticsResponse.with { response in
                response.modelStats = models.map {
                    WireModelStatistics(core.inference.counters($0.name).statistics($0.name))
                }
            }
        }
    }
}

// Methods.
extension GRPCInferenceService {
    typealias CallEnd = (_ code: GRPCStatusCode, _ reason: String?) -> Void

    /// - Parameters:
    ///   - role: who may call; see ``Route``.
    ///   - leavesLines: whether a call that fails leaves a line in the log here; else `serve` sees to that.
    ///   - serve: begins the call, and calls its last argument once with the code that the call ended with and, where
    ///     no request came of it, why: that holds no word of the client's.
    func handle(
        _ method: String, _ role: Route.Role = .open, leavesLines: Bool = true, in dispatcher: GRPCDispatcher,
        _ serve: @escaping (GRPCServerCall, Caller, @escaping CallEnd) -> Void
    ) {
        dispatcher.handle("/\(Self.name)/\(method)", limits: role == .probe ? .open() : nil) { call in
            do throws(APIError) {
                let caller = try self.core.caller(for: role, call.metadata)
                let (metadata, loop) = (call.metadata, call.eventLoop)
                serve(call, caller) { code, reason in
                    self.core.ended(method: method, code: code)
                    guard leavesLines, code != .ok else { return }
                    self.core.leaveLine(
                        method: method, metadata, code, reason: reason, tenant: caller.tenant, on: loop)
                }
            } catch {
                self.core.refused(code: error.code)
                let status = GRPCStatus(error)
                self.core.ended(method: method, code: status.code)
                self.core.leaveLine(
                    method: method, call.metadata, status.code, error.code, tenant: "", on: call.eventLoop)
                call.finish(status)
            }
        }
    }

    func unary<Request: Message, Response: Message>(
        _ method: String, _ role: Route.Role = .open, in dispatcher: GRPCDispatcher,
        _ answer: @escaping (Request) throws(APIError) -> Response
    ) {
        handle(method, role, in: dispatcher) { call, _, ended in
            call.onCancelled = { ended($0.code, $0.message) }
            call.unary { [unowned call] bytes in
                func finish(_ status: GRPCStatus, _ reason: String? = nil) {
                    ended(status.code, reason)
                    call.finish(status)
                }
                let request: Request
                do throws(GRPCStatus) { request = try GRPCMessages.decode(bytes) } catch {
                    return finish(error, error.message)
                }
                do throws(APIError) {
                    call.send(GRPCMessages.encode(try answer(request)))
                    finish(GRPCStatus(.ok))
                } catch {
                    finish(GRPCStatus(error))
                }
            }
        }
    }
}

extension WireTraceSettingRequest.SettingValue {
    fileprivate var text: String { value.joined(separator: ",") }
}

extension WireModelMetadataResponse {
    fileprivate init(_ model: ServedModel) {
        self.init()
        name = model.name
        versions = [ModelVersion.only]
        platform = ServerFacts.platform
        inputs = model.tensorInputs.map { Self.tensor($0.spec) }
        outputs = model.tensorOutputs.map { Self.tensor($0.spec) }
        properties = ["context_length": String(model.contextLength), "numerics_id": model.numericsID ?? ""]
    }

    private static func tensor(_ spec: TensorSpec) -> TensorMetadata {
        .with {
            $0.name = spec.name
            $0.datatype = spec.types.first?.rawValue ?? ""
            $0.shape = spec.shape.map { Int64($0) }
        }
    }
}

extension WireModelConfig {
    fileprivate init(_ model: ServedModel) {
        self.init()
        name = model.name
        platform = ServerFacts.platform
        backend = ServerFacts.platform
        modelTransactionPolicy.decoupled = model.pooledOutput == nil
        input = model.tensorInputs.map { input in
            .with {
                $0.name = input.rawValue
                $0.dataType = Self.type(input.spec)
                $0.dims = input.spec.shape.map { Int64($0) }
                $0.optional = true
            }
        }
        output = model.tensorOutputs.map { output in
            .with {
                $0.name = output.rawValue
                $0.dataType = Self.type(output.spec)
                $0.dims = output.spec.shape.map { Int64($0) }
            }
        }
    }

    private static func type(_ spec: TensorSpec) -> WireDataType {
        switch spec.types.first {
        case .bool: .typeBool
        case .uint8: .typeUint8
        case .uint16: .typeUint16
        case .uint32: .typeUint32
        case .uint64: .typeUint64
        case .int8: .typeInt8
        case .int16: .typeInt16
        case .int32: .typeInt32
        case .int64: .typeInt64
        case .fp16: .typeFp16
        case .fp32: .typeFp32
        case .fp64: .typeFp64
        case .bytes: .typeString
        case .bf16: .typeBf16
        case nil: .typeInvalid
        }
    }
}

extension WireModelStatistics {
    fileprivate init(_ statistics: ModelStatistics) {
        self.init()
        func duration(_ duration: ModelStatistics.Duration) -> WireStatisticDuration {
            .with {
                $0.count = UInt64(clamping: duration.count)
                $0.ns = UInt64(clamping: duration.nanoseconds)
            }
        }
        name = statistics.model
        version = ModelVersion.only
        lastInference = UInt64(clamping: statistics.lastRequestSeconds) * 1_000
        inferenceCount = UInt64(clamping: statistics.sequenceCount)
        executionCount = UInt64(clamping: statistics.executionCount)
        inferenceStats.success = duration(statistics.success)
        inferenceStats.fail = duration(statistics.fail)
        inferenceStats.queue = duration(statistics.queue)
        inferenceStats.computeInput = duration(statistics.input)
        inferenceStats.computeInfer = duration(statistics.compute)
        inferenceStats.computeOutput = duration(statistics.output)
    }
}
