import DequeModule
package import Inference
package import Logging
package import NIOCore
import Scheduling
package import Serving
package import Telemetry

/// Serves requests with workers: drives ``ClusterScheduler``, keeps each request's journal, turns what workers report
/// into what clients hear.
///
/// Confined to one event loop. Never waits: what a client does not read yet is its receiver's to keep.
/// Whatever comes in, from a client, a link or the clock, is one event for the scheduler; its actions are carried out
/// at once, and only then are receivers told, one after the other. A receiver may submit and cancel from inside.
package final class Router: GenerationService {
    let eventLoop: any EventLoop
    let options: RouterOptions
    let surroundings: RouterSurroundings
    let logger: Logger
    let metrics: RouterMetrics
    let log: RequestLog
    /// nil where nothing is traced.
    let tracer: Tracer?
    let makeLink: (WorkerAddress) -> any WorkerLink

    var scheduler: ClusterScheduler
    var catalogue = ModelCatalogue()
    /// Models whose requests may always wait, for workers that somebody starts when there are requests.
    var expectedModels: Set<String> = []
    var requests: [RequestID: OpenRequest] = [:]
    var peers: [WorkerAddress: WorkerPeer] = [:]
    var peersByID: [WorkerID: WorkerPeer] = [:]
    var peersByLink: [ObjectIdentifier: WorkerPeer] = [:]
    var lastWorkerID: UInt64 = 0
    /// Whether a worker may be set aside.
    var hasIdlePeers = false
    /// Models whose listing changed since workers that were set aside were looked at.
    var listedAnew: Set<String> = []
    /// Since when a model that had workers has none.
    var workersGoneAt: [String: Instant] = [:]

    private var lastRequestID: UInt64 = 0
    private var discoveries: [any WorkerDiscovery] = []
    private var timer: RepeatedTask?
    private var tickCount = 0
    private var outbox: Deque<(request: OpenRequest, event: GenerationEvent)> = []
    private var isTelling = false
    private var isTellingScheduled = false
    private var isDraining = false
    private var whenEmpty: (() -> Void)?

    /// - Parameter makeLink: a link that is not open yet.
    package init(
        eventLoop: any EventLoop, options: RouterOptions = RouterOptions(), metrics: MetricRegistry, logger: Logger,
        surroundings: RouterSurroundings? = nil, tracer: Tracer? = nil,
        makeLink: @escaping (WorkerAddress) -> any WorkerLink
    ) {
        self.eventLoop = eventLoop
        self.options = options
        self.surroundings = surroundings ?? .system(eventLoop)
        self.logger = logger
        self.metrics = RouterMetrics(metrics, objective: options.objective)
        self.log = RequestLog(logger: logger)
        self.tracer = tracer
        self.makeLink = makeLink
        scheduler = ClusterScheduler(limits: options.scheduling)
    }

    /// Begins to look for workers, and at the clock.
    package func start(_ discoveries: [any WorkerDiscovery]) {
        self.discoveries += discoveries
        for discovery in discoveries { discovery.start(self) }
        guard timer == nil else { return }
        let router = NIOLoopBound(Weak(self), eventLoop: eventLoop)
        let tick = TimeAmount.milliseconds(Int64(max(1, options.tickMilliseconds)))
        timer = eventLoop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in router.value.object?.tick() }
    }

    /// Accepts nothing more and finishes what there is.
    /// - Parameter whenEmpty: called once when nothing is left, on the event loop, never from inside this call.
    package func drain(_ whenEmpty: @escaping () -> Void) {
        isDraining = true
        self.whenEmpty = whenEmpty
        endCopies()
        tellSoon()
    }

    /// Ends what still runs with `.shuttingDown`, and all links. The router is of no use afterwards.
    package func stop() {
        isDraining = true
        timer?.cancel()
        timer = nil
        for discovery in discoveries { discovery.stop() }
        discoveries.removeAll()
        for id in requests.keys.sorted() {
            perform(scheduler.requestCancelled(id, now: surroundings.now()))
            fail(id, .shuttingDown)
        }
        for peer in peers.values { peer.link.close() }
        peers.removeAll()
        peersByID.removeAll()
        peersByLink.removeAll()
        tell()
    }

    // MARK: - GenerationService

    package var models: [ServedModel] { catalogue.all }
    package var isReady: Bool { !isDraining && (scheduler.hasReadyWorker || !expectedModels.isEmpty) }
    package func isReady(_ model: String) -> Bool {
        !isDraining && !catalogue.isHidden(model) && scheduler.hasReadyWorker(of: model)
    }

    package func serves(model: String, numericsID: String) -> Bool {
        scheduler.hasWorkers(of: model, numericsID: numericsID)
    }

    package func scalingSignals(of model: String) -> ScalingSignals? {
        guard catalogue[model] != nil, !catalogue.isHidden(model) else { return nil }
        var signals = metrics.model(model).scaling.signals
        signals.isActive = scheduler.runningCount(model) + scheduler.waitingCount(model) > 0
        return signals
    }

    /// Requests that have not ended.
    package var openRequestCount: Int { requests.count }

    package func submit(
        _ request: GenerationRequest, receiver: any GenerationReceiver
    ) throws(ServeError) -> RequestID {
        do {
            return try accept(request, receiver)
        } catch {
            if !request.isCopy {
                metrics.rejected(error)
                metrics.tenant(request.tenant)?.refused(error)
                if let tracer { RequestSpans(request, tracer, now: surroundings.now())?.refused(error) }
            }
            throw error
        }
    }

    private func accept(
        _ request: GenerationRequest, _ receiver: any GenerationReceiver
    ) throws(ServeError) -> RequestID {
        guard !isDraining else { throw .shuttingDown }
        guard let model = catalogue[request.model], !catalogue.isHidden(model.name) else {
            throw .modelNotFound(request.model)
        }
        try RequestCheck.check(
            request, model: model,
            choicesMax: request.pooling == nil ? options.choicesMax : options.textsMax)
        let id = RequestID(lastRequestID + 1)
        let now = surroundings.now()
        let actions = try scheduler.requestSubmitted(
            RequestSpec(
                id: id, model: request.model, prompts: request.prompts, choiceCount: request.choiceCount,
                maxTokens: request.sampling.maxTokens, priority: request.priority, salt: request.salt,
                usesPrefixCache: request.sampling.promptLogprobs == nil, readsWhole: request.pooling != nil,
                numericsID: request.numericsID, isCopy: request.isCopy,
                tenant: request.tenant, heldBytes: request.heldBytes,
                queueTimeoutSeconds: Self.shorter(
                    request.queueTimeoutSeconds, options.scheduling.queueTimeoutSeconds),
                requestTimeoutSeconds: Self.shorter(
                    request.requestTimeoutSeconds, options.scheduling.requestTimeoutSeconds)),
            now: now)
        lastRequestID += 1
        let series = metrics.model(model.name)
        let tenant = request.isCopy ? nil : metrics.tenant(request.tenant)
        let opened = OpenRequest(
            id: id, request, model: model, series: series, tenant: tenant, receiver: receiver, submittedAt: now)
        opened.spans = tracer.flatMap { RequestSpans(request, $0, now: now) }
        requests[id] = opened
        series.accepted(request)
        tenant?.accepted()
        perform(actions)
        tellSoon()
        return id
    }

    /// A client may shorten the router's limits, not lengthen them.
    private static func shorter(_ wanted: Double?, _ limit: Double) -> Double? { wanted.map { min($0, limit) } }

    package func cancel(_ id: RequestID) {
        guard let request = requests.removeValue(forKey: id) else { return }
        request.isSilent = true
        let now = surroundings.now()
        request.series.aborted.add(request.choices.count { $0.finish == nil })
        log.ended(request, outcome: "cancelled", at: now)
        request.spans?.ended(request, outcome: "cancelled", now: now)
        perform(scheduler.requestCancelled(id, now: now))
        tellSoon()
    }

    // MARK: - Telling receivers

    func tell(_ request: OpenRequest, _ event: GenerationEvent) { outbox.append((request, event)) }

    /// For calls from outside: receivers hear on a later turn of the loop.
    func tellSoon() {
        guard !isTellingScheduled else { return }
        isTellingScheduled = true
        let router = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            router.value.isTellingScheduled = false
            router.value.tell()
        }
    }

    /// Tells all there is to tell. What receivers cause meanwhile is told by the same loop, in order.
    func tell() {
        guard !isTelling else { return }
        isTelling = true
        // Room for very many is not kept.
        let count = outbox.count
        while let (request, event) = outbox.popFirst() {
            guard !request.isSilent else { continue }
            switch event {
            case .finished, .failed: request.isSilent = true
            case .admitted, .delta, .promptLogprobs, .pooled, .choiceFinished: break
            }
            request.receiver.generationProduced(event)
        }
        if count > 4096 { outbox = Deque() }
        isTelling = false
        guard isDraining, requests.isEmpty, let whenEmpty else { return }
        self.whenEmpty = nil
        whenEmpty()
    }

    private func tick() {
        let now = surroundings.now()
        perform(scheduler.timePassed(now))
        employIdle(now)
        tickCount &+= 1
        if tickCount % max(1, options.gaugeTicks) == 0 { updateGauges(now) }
        tell()
    }

    private func updateGauges(_ now: Instant) {
        metrics.update(from: scheduler, now: now)
        for peer in peers.values {
            peer.series?.update(isReady: scheduler.workerState(peer.id) == .ready, now: now)
        }
    }
}

/// What may be held of an object that others keep: a router by its timer, a tokenizer by the store.
struct Weak<Object: AnyObject> {
    weak var object: Object?
    init(_ object: Object) { self.object = object }
}
