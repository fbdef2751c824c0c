package import HTTP
import InferenceProtocol
import NIOCore
package import Serving
import SwiftProtobuf

/// The service `externalscaler.ExternalScaler`: KEDA asks the router itself how many workers a model wants, with no metrics
/// server between. Source: KEDA's external scaler protocol.
///
/// A trigger's metadata may name the model (`modelName`; needed where several are served), the signal (`signal`, see
/// ``ScalingSignal``) and its target (`targetValue`). Confined to the event loop of the service behind it.
package final class ExternalScaler {
    package static let name = "externalscaler.ExternalScaler"
    /// How often a stream looks whether there is something to do: KEDA hears of the first request within this time.
    package static let lookMilliseconds: Int64 = 50

    private let service: any GenerationService

    package init(service: any GenerationService) { self.service = service }

    /// Adds all methods to a dispatcher, which then keeps this scaler.
    package func register(in dispatcher: GRPCDispatcher) {
        unary("IsActive", in: dispatcher) { (request: WireScaledObjectRef) throws(GRPCStatus) in
            WireIsActiveResponse(try self.question(request).signals)
        }
        unary("GetMetricSpec", in: dispatcher) { (request: WireScaledObjectRef) throws(GRPCStatus) in
            WireGetMetricSpecResponse(try self.question(request))
        }
        unary("GetMetrics", in: dispatcher) { (request: WireGetMetricsRequest) throws(GRPCStatus) in
            let question = try self.question(request.scaledObjectRef)
            guard request.metricName.isEmpty || request.metricName == question.signal.metricName else {
                throw GRPCStatus(
                    .invalidArgument,
                    "metricName is '\(request.metricName.prefix(100))', but the trigger's metric is "
                        + "'\(question.signal.metricName)'.")
            }
            return WireGetMetricsResponse(question)
        }
        stream("StreamIsActive", in: dispatcher) { request throws(GRPCStatus) in
            WireIsActiveResponse(try self.question(request).signals)
        }
        stream("StreamMetricSpec", in: dispatcher) { request throws(GRPCStatus) in
            WireGetMetricSpecResponse(try self.question(request))
        }
    }

    /// What a trigger asks for.
    struct Question {
        var signals: ScalingSignals
        var signal: ScalingSignal
        var target: Double
    }

    private func question(_ object: WireScaledObjectRef) throws(GRPCStatus) -> Question {
        let metadata = object.scalerMetadata
        let served = service.models.map(\.name)
        let name = metadata["modelName"] ?? (served.count == 1 ? served[0] : nil)
        guard let name else {
            throw GRPCStatus(
                served.isEmpty ? .unavailable : .invalidArgument,
                served.isEmpty
                    ? "No model is known yet." : "The trigger's metadata needs modelName, one of \(Self.list(served)).")
        }
        guard let signals = service.scalingSignals(of: name) else {
            throw GRPCStatus(
                .notFound, "modelName is '\(name.prefix(100))'; this router serves \(Self.list(served)).")
        }
        let signalName = metadata["signal"] ?? ScalingSignal.desiredWorkers.rawValue
        guard let signal = ScalingSignal(rawValue: signalName) else {
            throw GRPCStatus(
                .invalidArgument,
                "signal is '\(signalName.prefix(100))', but must be one of "
                    + "\(Self.list(ScalingSignal.allCases.map(\.rawValue))).")
        }
        guard let text = metadata["targetValue"] else {
            return Question(signals: signals, signal: signal, target: signal.target)
        }
        guard let target = Double(text), target >= 0.001, target <= 1e9 else {
            throw GRPCStatus(
                .invalidArgument, "targetValue is '\(text.prefix(100))', but must be a number of 0.001 to 1e9.")
        }
        return Question(signals: signals, signal: signal, target: target)
    }

    private static func list(_ names: [String]) -> String {
        names.isEmpty ? "none" : names.prefix(20).map { "'\($0)'" }.joined(separator: ", ")
    }

    private func unary<Request: Message>(
        _ method: String, in dispatcher: GRPCDispatcher,
        _ answer: @escaping (Request) throws(GRPCStatus) -> some Message
    ) {
        dispatcher.handle("/\(Self.name)/\(method)") { call in
            call.unary { [unowned call] bytes in
                do throws(GRPCStatus) {
                    call.respond(GRPCMessages.encode(try answer(try GRPCMessages.decode(bytes))))
                } catch {
                    call.finish(error)
                }
            }
        }
    }

    /// Answers at once, and again whenever the answer is another one, until the client ends the call.
    private func stream<Response: Message & Equatable>(
        _ method: String, in dispatcher: GRPCDispatcher,
        _ answer: @escaping (WireScaledObjectRef) throws(GRPCStatus) -> Response
    ) {
        dispatcher.handle("/\(Self.name)/\(method)") { call in
            Watch(call, answer).begin()
        }
    }
}

/// One stream of answers to one question.
private final class Watch<Response: Message & Equatable> {
    private let call: GRPCServerCall
    private let answer: (WireScaledObjectRef) throws(GRPCStatus) -> Response
    private var request: WireScaledObjectRef?
    private var told: Response?
    private var timer: Scheduled<Void>?
    private var isOver = false

    init(_ call: GRPCServerCall, _ answer: @escaping (WireScaledObjectRef) throws(GRPCStatus) -> Response) {
        self.call = call
        self.answer = answer
    }

    /// The call's callbacks hold the watch, until the call is over.
    func begin() {
        call.onMessage = { self.asked($0) }
        call.onEnd = { [unowned self] in
            if request == nil { end(GRPCStatus(.unimplemented, "a call of this method has one message")) }
        }
        call.onCancelled = { self.stop() }
        call.begin()
    }

    private func asked(_ bytes: ByteBuffer) {
        guard request == nil else { return end(GRPCStatus(.unimplemented, "a call of this method has one message")) }
        do throws(GRPCStatus) { request = try GRPCMessages.decode(bytes) } catch { return end(error) }
        look()
    }

    private func look() {
        guard !isOver, let request else { return }
        do throws(GRPCStatus) {
            let now = try answer(request)
            // Who does not read is told the latest once it reads again.
            if now != told, call.unsentByteCount == 0 {
                told = now
                call.send(GRPCMessages.encode(now))
            }
        } catch {
            return end(error)
        }
        timer = call.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(ExternalScaler.lookMilliseconds)) {
            self.look()
        }
    }

    private func end(_ status: GRPCStatus) {
        stop()
        call.finish(status)
    }

    private func stop() {
        isOver = true
        timer?.cancel()
        timer = nil
    }
}

extension WireIsActiveResponse {
    fileprivate init(_ signals: ScalingSignals) {
        self.init()
        result = signals.isActive
    }
}

extension WireGetMetricSpecResponse {
    fileprivate init(_ question: ExternalScaler.Question) {
        self.init()
        metricSpecs = [
            .with {
                $0.metricName = question.signal.metricName
                $0.targetSize = clampedWhole(question.target)
                $0.targetSizeFloat = question.target
            }
        ]
    }
}

extension WireGetMetricsResponse {
    fileprivate init(_ question: ExternalScaler.Question) {
        self.init()
        let value = question.signal.value(question.signals)
        metricValues = [
            .with {
                $0.metricName = question.signal.metricName
                $0.metricValue = clampedWhole(value)
                $0.metricValueFloat = value
            }
        ]
    }
}

/// For versions of KEDA that know whole numbers only: rounded up, so that a little is not nothing.
private func clampedWhole(_ value: Double) -> Int64 { Int64(exactly: min(value, 1e15).rounded(.up)) ?? 0 }
