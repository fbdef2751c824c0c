import Inference
import Scheduling
import Serving
import Telemetry

/// Series of one model, found once, and what autoscalers are told of it. An object, since requests hold on to it and
/// copying two dozen references costs.
final class ModelMetrics {
    private let objective: ServiceObjective
    private(set) var scaling = ModelScaling()
    private let running: Gauge
    private let waiting: Gauge
    private let queueTokens: Gauge
    private let queueOldest: Gauge
    private let cacheUsage: Gauge
    let incoming: Counter
    let promptTokens: Counter
    let generationTokens: Counter
    let cacheQueries: Counter
    let cacheHits: Counter
    let preemptions: Counter
    let textsRead: Counter
    let stopped: Counter
    let reachedLength: Counter
    let aborted: Counter
    let timeToFirstToken: Histogram
    let interToken: Histogram
    let timePerOutputToken: Histogram
    let latency: Histogram
    let queueTime: Histogram
    let prefillTime: Histogram
    let decodeTime: Histogram
    let inferenceTime: Histogram
    let promptLength: Histogram
    let generationLength: Histogram
    let longestChoice: Histogram
    let maxTokens: Histogram
    let choices: Histogram
    private let queueWait: Gauge
    private let desiredWorkers: Gauge
    private let attainment: Gauge
    private let objectiveMet: Counter
    private let objectiveMissed: Counter

    init(_ registry: MetricRegistry, model: String, objective: ServiceObjective) {
        self.objective = objective
        let labels = [model]
        running = registry.gauge(.requestsRunning, labels: labels)
        waiting = registry.gauge(.requestsWaiting, labels: labels)
        queueTokens = registry.gauge(.queueTokens, labels: labels)
        queueOldest = registry.gauge(.queueOldest, labels: labels)
        cacheUsage = registry.gauge(.kvCacheUsage, labels: labels)
        incoming = registry.counter(.requestsIncoming, labels: labels)
        promptTokens = registry.counter(.promptTokens, labels: labels)
        generationTokens = registry.counter(.generationTokens, labels: labels)
        cacheQueries = registry.counter(.prefixCacheQueries, labels: labels)
        cacheHits = registry.counter(.prefixCacheHits, labels: labels)
        textsRead = registry.counter(.textsRead, labels: labels)
        preemptions = registry.counter(.preemptions, labels: labels)
        stopped = registry.counter(.requestSuccess, labels: [model, "stop"])
        reachedLength = registry.counter(.requestSuccess, labels: [model, "length"])
        aborted = registry.counter(.requestSuccess, labels: [model, "abort"])
        timeToFirstToken = registry.histogram(.timeToFirstToken, labels: labels)
        interToken = registry.histogram(.interTokenLatency, labels: labels)
        timePerOutputToken = registry.histogram(.timePerOutputToken, labels: labels)
        latency = registry.histogram(.requestLatency, labels: labels)
        queueTime = registry.histogram(.requestQueueTime, labels: labels)
        prefillTime = registry.histogram(.requestPrefillTime, labels: labels)
        decodeTime = registry.histogram(.requestDecodeTime, labels: labels)
        inferenceTime = registry.histogram(.requestInferenceTime, labels: labels)
        promptLength = registry.histogram(.requestPromptTokens, labels: labels)
        generationLength = registry.histogram(.requestGenerationTokens, labels: labels)
        longestChoice = registry.histogram(.requestMaxGenerationTokens, labels: labels)
        maxTokens = registry.histogram(.requestMaxTokens, labels: labels)
        choices = registry.histogram(.requestChoices, labels: labels)
        queueWait = registry.gauge(.queueWait, labels: labels)
        desiredWorkers = registry.gauge(.desiredWorkers, labels: labels)
        attainment = registry.gauge(.objectiveAttainment, labels: labels)
        objectiveMet = registry.counter(.objectiveRequests, labels: [model, "true"])
        objectiveMissed = registry.counter(.objectiveRequests, labels: [model, "false"])
    }

    func accepted(_ request: GenerationRequest) {
        incoming.add()
        for prompt in request.prompts { promptLength.observe(Double(prompt.count)) }
        maxTokens.observe(Double(request.sampling.maxTokens))
        choices.observe(Double(request.choiceCount))
    }

    func finished(_ reason: FinishReason, tokenCount: Int) {
        switch reason {
        case .stop: stopped.add()
        case .length: reachedLength.add()
        }
        generationLength.observe(Double(tokenCount))
    }

    /// A request got its whole answer.
    func completed(_ request: OpenRequest, at now: Instant) {
        let trace = request.spans?.traceID
        latency.observe(now.seconds(since: request.submittedAt), trace: trace)
        let longest = request.choices.reduce(0) { max($0, $1.output.count) }
        longestChoice.observe(Double(longest))
        guard let admitted = request.admittedAt, let first = request.firstTokenAt, let last = request.lastTokenAt else {
            return ended(met: true, at: now)
        }
        let decode = last.seconds(since: first)
        ended(
            met: objective.isMet(
                firstTokenSeconds: first.seconds(since: request.submittedAt),
                tokenSeconds: longest > 1 ? decode / Double(longest - 1) : 0),
            at: now)
        prefillTime.observe(first.seconds(since: admitted), trace: trace)
        decodeTime.observe(decode, trace: trace)
        inferenceTime.observe(last.seconds(since: admitted), trace: trace)
        if longest > 1 { timePerOutputToken.observe(decode / Double(longest - 1), trace: trace) }
    }

    /// A request ended without the client's doing.
    func ended(met: Bool, at now: Instant) {
        (met ? objectiveMet : objectiveMissed).add()
        scaling.completed(met: met, at: now)
    }

    func update(_ load: ModelLoad, now: Instant) {
        scaling.update(load, tokenCount: promptTokens.value + generationTokens.value, now: now)
        let signals = scaling.signals
        running.set(Double(load.runningCount))
        waiting.set(Double(load.waitingCount))
        queueTokens.set(Double(load.waitingTokens))
        queueOldest.set(load.oldestSeconds)
        cacheUsage.set(load.cacheUsage)
        queueWait.set(signals.queueSeconds)
        desiredWorkers.set(Double(signals.desiredWorkers))
        attainment.set(signals.attainment)
    }
}

/// What a router counts. All series with closed label sets exist from the start, so that they read 0 before anything
/// happens.
final class RouterMetrics {
    private let registry: MetricRegistry
    private let objective: ServiceObjective
    private var models: [String: ModelMetrics] = [:]
    /// By label.
    private var tenants: [String: TenantSeries] = [:]
    /// By model: tokens of a KV page and pages of all workers, as they were told last.
    private var cacheShapes: [String: [String]] = [:]
    private let workers: [WorkerState: Gauge]
    private let moves: [MoveCause: Counter]
    private let rejections: [FailureKind: Counter]
    private let failures: [FailureKind: Counter]
    let lossSilence: Histogram

    init(_ registry: MetricRegistry, objective: ServiceObjective) {
        self.registry = registry
        self.objective = objective
        func series<Label: CaseIterable & Hashable & RawRepresentable<String>, Series>(
            _ make: (String) -> Series
        ) -> [Label: Series] {
            Dictionary(uniqueKeysWithValues: Label.allCases.map { ($0, make($0.rawValue)) })
        }
        lossSilence = registry.histogram(.workerLossSilence)
        workers = series { registry.gauge(.workers, labels: [$0]) }
        moves = series { registry.counter(.sequenceMoves, labels: [$0]) }
        rejections = series { registry.counter(.requestsRejected, labels: [$0]) }
        failures = series { registry.counter(.requestsFailed, labels: [$0]) }
    }

    func model(_ name: String) -> ModelMetrics {
        if let known = models[name] { return known }
        let made = ModelMetrics(registry, model: name, objective: objective)
        models[name] = made
        return made
    }

    /// - Returns: nil where nobody says who asks.
    func tenant(_ name: String) -> TenantSeries? {
        guard !name.isEmpty else { return nil }
        let label = registry.tenants.label(of: name)
        if let known = tenants[label] { return known }
        let made = TenantSeries(registry, label: label)
        tenants[label] = made
        return made
    }

    func worker(at address: WorkerAddress, model: String, now: Instant) -> WorkerSeries {
        WorkerSeries(registry, address: address, model: model, now: now)
    }

    func moved(_ cause: MoveCause, model: String) {
        moves[cause]?.add()
        if cause == .preempted { self.model(model).preemptions.add() }
    }

    func rejected(_ error: ServeError) { rejections[FailureKind(error)]?.add() }
    func failed(_ error: ServeError) { failures[FailureKind(error)]?.add() }

    /// Writes what is, as opposed to what happened.
    func update(from scheduler: ClusterScheduler, now: Instant) {
        for state in WorkerState.allCases { workers[state]?.set(Double(scheduler.workerCount(state))) }
        for name in scheduler.modelNames {
            let load = scheduler.load(name, now: now)
            model(name).update(load, now: now)
            tellShape([name, String(load.pageTokenCount), String(load.pageCount)])
        }
    }

    private func tellShape(_ labels: [String]) {
        guard cacheShapes[labels[0]] != labels else { return }
        if let before = cacheShapes.updateValue(labels, forKey: labels[0]) {
            registry.remove(.cacheConfiguration, labels: before)
        }
        registry.gauge(.cacheConfiguration, labels: labels).set(1)
    }
}

/// A ``ServeError`` without its details, for metric labels and logs.
enum FailureKind: String, CaseIterable {
    case invalidRequest = "invalid_request"
    case modelNotFound = "model_not_found"
    case contextExceeded = "context_exceeded"
    case queueFull = "queue_full"
    case queueSlow = "queue_slow"
    case timedOut = "timed_out"
    case unavailable
    case shuttingDown = "shutting_down"
    case internalFailure = "internal_failure"

    init(_ error: ServeError) {
        self =
            switch error {
            case .invalidRequest: .invalidRequest
            case .modelNotFound: .modelNotFound
            case .contextExceeded: .contextExceeded
            case .queueFull: .queueFull
            case .queueSlow: .queueSlow
            case .timedOut: .timedOut
            case .unavailable: .unavailable
            case .shuttingDown: .shuttingDown
            case .internalFailure: .internalFailure
            }
    }
}
