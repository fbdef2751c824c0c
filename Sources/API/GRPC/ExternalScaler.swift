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
    /// How often streams are looked after: KEDA hears of the first request within this time.
    package static let lookMilliseconds: Int64 = 50

    private let service: any GenerationService
    private let watches: ScalerWatches

    package init(service: any GenerationService) {
        self.service = service
        watches = ScalerWatches { model throws(GRPCStatus) in try Self.signals(of: model, service) }
    }

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
        stream("StreamIsActive", in: dispatcher) { call, question in
            call.send(GRPCMessages.encode(WireIsActiveResponse(question.signals)))
            return question.signals.isActive
        }
        stream("StreamMetricSpec", in: dispatcher) { call, question in
            call.send(GRPCMessages.encode(WireGetMetricSpecResponse(question)))
            return nil
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
        let signals = try Self.signals(of: metadata["modelName"], service)
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

    /// - Parameter model: nil where the trigger names none.
    private static func signals(
        of model: String?, _ service: any GenerationService
    ) throws(GRPCStatus) -> ScalingSignals {
        let served = service.models.map(\.name)
        guard let name = model ?? (served.count == 1 ? served[0] : nil) else {
            throw GRPCStatus(
                served.isEmpty ? .unavailable : .invalidArgument,
                served.isEmpty
                    ? "No model is known yet." : "The trigger's metadata needs modelName, one of \(list(served)).")
        }
        guard let signals = service.scalingSignals(of: name) else {
            throw GRPCStatus(
                .notFound, "modelName is '\(name.prefix(100))'; this router serves \(list(served)).")
        }
        return signals
    }

    private static func list(_ names: [String]) -> String {
        names.isEmpty ? "none" : names.prefix(20).map { "'\($0)'" }.joined(separator: ", ")
    }

    private func unary<Request: Message>(
        _ method: String, in dispatcher: GRPCDispatcher,
        _ answer: @escaping (Request) throws(GRPCStatus) -> some Message
    ) {
        dispatcher.handle("/\(Self.name)/\(method)", limits: .open()) { call in
            call.unary { [unowned call] bytes in
                do throws(GRPCStatus) {
                    call.respond(GRPCMessages.encode(try answer(try GRPCMessages.decode(bytes))))
                } catch {
                    call.finish(error)
                }
            }
        }
    }

    /// Answers at once, and again whenever a model's activity is another one, until the client ends the call.
    /// - Parameter answer: sends the first answer, and returns what that said of the activity; nil when nothing follows it.
    private func stream(
        _ method: String, in dispatcher: GRPCDispatcher, _ answer: @escaping (GRPCServerCall, Question) -> Bool?
    ) {
        dispatcher.handle("/\(Self.name)/\(method)", limits: .open()) { call in
            let watches = self.watches
            var watch: ScalerWatches.Watch?
            func end(_ status: GRPCStatus) {
                if let watch { watches.remove(watch) }
                call.finish(status)
            }
            call.onMessage = { bytes in
                do throws(GRPCStatus) {
                    guard watch == nil else { throw Self.oneMessage }
                    let request: WireScaledObjectRef = try GRPCMessages.decode(bytes)
                    let told = answer(call, try self.question(request))
                    watch = watches.add(call, of: request.scalerMetadata["modelName"], told: told)
                } catch {
                    end(error)
                }
            }
            call.onEnd = { if watch == nil { end(Self.oneMessage) } }
            call.onCancelled = { _ in if let watch { watches.remove(watch) } }
            call.begin(.first)
        }
    }

    private static let oneMessage = GRPCStatus(.unimplemented, "a call of this method has one message")
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
