import HTTP
import InferenceProtocol
import NIOCore
import Serving
import SwiftProtobuf

/// Streams on which KEDA hears of a model's activity. Those of one model share an answer and all of them one timer, which
/// runs while there are any: a stream that waits costs its place here. Confined to one event loop.
final class ScalerWatches {
    final class Watch {
        fileprivate let call: GRPCServerCall
        /// As the trigger names it; nil for the only one that is served.
        fileprivate let model: String?
        /// What it was told; nil where it is told once, and waits for the end of its model.
        fileprivate var told: Bool?

        fileprivate init(_ call: GRPCServerCall, _ model: String?, _ told: Bool?) {
            self.call = call
            self.model = model
            self.told = told
        }
    }

    private struct Model {
        var isActive: Bool
        var watches: [ObjectIdentifier: Watch] = [:]
    }

    private let answer: (String?) throws(GRPCStatus) -> ScalingSignals
    private var models: [String?: Model] = [:]
    /// Who is to be told of a change, and reads too slowly yet.
    private var behind: [ObjectIdentifier: Watch] = [:]
    private var timer: Scheduled<Void>?

    /// - Parameter answer: the signals of a model, or why there are none.
    init(_ answer: @escaping (String?) throws(GRPCStatus) -> ScalingSignals) {
        self.answer = answer
    }

    /// - Parameter told: what the call has been told of the model; nil when it wants no more than its end.
    func add(_ call: GRPCServerCall, of model: String?, told: Bool?) -> Watch {
        let watch = Watch(call, model, told)
        let key = ObjectIdentifier(watch)
        models[model, default: Model(isActive: told ?? false)].watches[key] = watch
        if let told, told != models[model]?.isActive { behind[key] = watch }
        if timer == nil { schedule(call.eventLoop) }
        return watch
    }

    func remove(_ watch: Watch) {
        let key = ObjectIdentifier(watch)
        behind[key] = nil
        models[watch.model]?.watches[key] = nil
        if models[watch.model]?.watches.isEmpty == true { models[watch.model] = nil }
        if models.isEmpty {
            timer?.cancel()
            timer = nil
        }
    }

    private func schedule(_ eventLoop: any EventLoop) {
        timer = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(ExternalScaler.lookMilliseconds)) {
            self.timer = nil
            self.look()
            if !self.models.isEmpty, self.timer == nil { self.schedule(eventLoop) }
        }
    }

    private func look() {
        for (name, model) in models {
            do throws(GRPCStatus) {
                let isActive = try answer(name).isActive
                guard isActive != model.isActive else { continue }
                models[name]?.isActive = isActive
                for (key, watch) in model.watches where watch.told != nil { behind[key] = watch }
            } catch {
                for watch in model.watches.values {
                    remove(watch)
                    watch.call.finish(error)
                }
            }
        }
        for (key, watch) in behind { tell(watch, key) }
    }

    /// Who does not read is told the latest once it reads again.
    private func tell(_ watch: Watch, _ key: ObjectIdentifier) {
        guard let isActive = models[watch.model]?.isActive, watch.call.unsentByteCount == 0 else { return }
        behind[key] = nil
        guard watch.told != isActive else { return }
        watch.told = isActive
        watch.call.send(GRPCMessages.encode(WireIsActiveResponse.with { $0.result = isActive }))
    }
}
