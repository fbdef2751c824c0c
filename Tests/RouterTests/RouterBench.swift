import Inference
import Logging
import NIOCore
import NIOEmbedded
import Scheduling
import Serving
import Telemetry
import Text

@testable import Router

/// What one client heard.
final class RecordingReceiver: GenerationReceiver {
    struct Choice: Equatable {
        var text = ""
        var tokens: [TokenID] = []
        var logprobs: [LoggedToken] = []
        var promptLogprobs: [LoggedToken]?
        var pooled: [Float]?
        var finish: FinishReason?
    }

    var choices: [Int: Choice] = [:]
    var isAdmitted = false
    var usage: Usage?
    var failure: ServeError?
    /// Events after the last: must stay 0.
    var lateEvents = 0
    var eventCount = 0
    var onEvent: ((GenerationEvent) -> Void)?

    var isOver: Bool { usage != nil || failure != nil }

    func generationProduced(_ event: GenerationEvent) {
        if isOver { lateEvents += 1 }
        eventCount += 1
        switch event {
        case .admitted: isAdmitted = true
        case .delta(let choice, let text, let tokens, let logprobs):
            if choices[choice, default: Choice()].finish != nil { lateEvents += 1 }
            choices[choice, default: Choice()].text += text
            choices[choice, default: Choice()].tokens += tokens
            choices[choice, default: Choice()].logprobs += logprobs
        case .promptLogprobs(let choice, let logprobs):
            if choices[choice]?.promptLogprobs != nil || choices[choice]?.text.isEmpty == false { lateEvents += 1 }
            choices[choice, default: Choice()].promptLogprobs = logprobs
        case .pooled(let choice, let values):
            if choices[choice]?.pooled != nil { lateEvents += 1 }
            choices[choice, default: Choice()].pooled = values
        case .choiceFinished(let choice, let reason): choices[choice, default: Choice()].finish = reason
        case .finished(let usage): self.usage = usage
        case .failed(let error): failure = error
        }
        onEvent?(event)
    }
}

/// A router on a loop whose time the test moves, with scripted workers.
final class RouterBench {
    let loop = EmbeddedEventLoop()
    let metrics = MetricRegistry()
    let router: Router
    /// Lists all workers.
    let discovery: StaticDiscovery
    private(set) var links: [ScriptedLink] = []

    init(
        workers: Int = 2, slots: Int = 4, options: RouterOptions = RouterOptions(), logger: Logger? = nil,
        numericsIDs: [String] = [], welcomes: Bool = true, pooledOutput: PooledOutput? = nil,
        tracer: Tracer? = nil
    ) {
        let made = Box<[ScriptedLink]>([])
        var quiet = Logger(label: "test")
        quiet.logLevel = .critical
        router = Router(
            eventLoop: loop, options: options, metrics: metrics, logger: logger ?? quiet,
            surroundings: RouterSurroundings(
                now: { [loop] in Instant(nanoseconds: Int64(loop.now.uptimeNanoseconds)) },
                unixSeconds: { 1_700_000_000 }),
            tracer: tracer
        ) { address in
            let place = made.value.count
            let numericsID = numericsIDs.indices.contains(place) ? numericsIDs[place] : "n1"
            made.value.append(ScriptedLink(address, slots: slots, numericsID: numericsID, pooledOutput: pooledOutput))
            return made.value[place]
        }
        discovery = StaticDiscovery((0..<workers).map(Self.address))
        router.start([discovery])
        links = made.value
        if welcomes { for link in links { link.welcome() } }
    }

    deinit { router.stop() }

    static func address(_ worker: Int) -> WorkerAddress { WorkerAddress(host: "10.0.0.\(worker + 1)", port: 8101) }

    func submit(_ request: GenerationRequest) throws -> RecordingReceiver {
        let receiver = RecordingReceiver()
        _ = try router.submit(request, receiver: receiver)
        return receiver
    }

    func pass(_ seconds: Double) {
        loop.advanceTime(by: .nanoseconds(Int64(seconds * 1e9)))
    }

    /// One step of every worker, and a millisecond.
    func step() {
        for link in links { link.step() }
        pass(0.001)
    }

    func run(until isDone: () -> Bool, steps: Int = 20_000) {
        for _ in 0..<steps where !isDone() { step() }
    }

    /// What an undisturbed router with one worker says.
    static func undisturbed(_ request: GenerationRequest) throws -> RecordingReceiver {
        let bench = RouterBench(workers: 1, slots: 64)
        let receiver = try bench.submit(request)
        bench.run { receiver.isOver }
        return receiver
    }
}

final class Box<Value> {
    var value: Value
    init(_ value: Value) { self.value = value }
}

extension GenerationRequest {
    static func sample(
        _ prompt: [TokenID] = [5, 6, 7], max: Int = 24, seed: UInt64 = 1, choices: Int = 1, stops: [String] = [],
        logprobs: Int? = nil
    ) -> GenerationRequest {
        var sampling = SamplingParameters()
        sampling.maxTokens = max
        sampling.seed = seed
        sampling.logprobs = logprobs
        var request = GenerationRequest(model: "m", prompts: [prompt], sampling: sampling)
        request.choiceCount = choices
        request.stopStrings = stops
        return request
    }
}
