import Inference
import Scheduling

/// Routers, the workers that they share, the links between and the clients on virtual time: drives the real
/// ``ClusterScheduler`` through whatever a seed holds, and looks at what comes out after every event.
///
///     plan (from the seed) ─▶ active: clients come, faults strike ─▶ calm: all is healed, everything must end
///
/// Pure: a seed and options give one run, event by event; ``SimulationReport/hash`` says so.
package struct SimulatedCluster: Sendable {
    let options: SimulationOptions
    let plan: SimulationPlan
    var queue = EventQueue<ClusterEvent>()
    var now = Instant(nanoseconds: 0)
    var report: SimulationReport

    var routers: [SimulatedRouter]
    var machines: [SimulatedMachine]
    /// Names of requests and workers are those of one router only.
    var requests: [RequestID: OpenRequest] = [:]
    var lastRequest: UInt64 = 0
    var lastWorker: UInt64 = 0
    var linksByWorker: [WorkerID: LinkPlace] = [:]

    var clients: [SimulatedClient] = []
    var isCalm = false
    var probesLeft = 0
    /// Workers that died of each poison request, by its number.
    var poisonDeaths: [Int: Int] = [:]
    /// Requests of which a worker said that they cannot run.
    var ownFailures: Set<RequestID> = []
    /// When everything must have ended.
    var calmEnd: Instant?

    // One stream of chance for each kind of thing that happens.
    var networkRandom: SimulatedRandom
    var clientRandom: SimulatedRandom
    var faultRandom: SimulatedRandom
    /// Which router, where there are several.
    var routerRandom: SimulatedRandom
    /// How long steps are, and when what is told of them.
    var stepRandom: SimulatedRandom

    /// - Returns: what came of a whole run.
    package static func run(_ options: SimulationOptions) -> SimulationReport {
        var cluster = SimulatedCluster(options)
        cluster.start()
        while cluster.report.violation == nil, !cluster.isOver, let (time, event) = cluster.queue.next() {
            cluster.now = time
            cluster.step(event)
        }
        return cluster.finalReport()
    }

    /// Whatever a faulty scheduler does, a run ends.
    private static let eventCountMax = 2_000_000

    private init(_ options: SimulationOptions) {
        self.options = options
        var planRandom = SimulatedRandom(seed: options.seed, stream: 0)
        routerRandom = SimulatedRandom(seed: options.seed, stream: 4)
        var plan = SimulationPlan(options, &planRandom)
        plan.drawRouters(options, &routerRandom)
        stepRandom = SimulatedRandom(seed: options.seed, stream: 5)
        plan.drawSteps(options, &stepRandom)
        self.plan = plan
        networkRandom = SimulatedRandom(seed: options.seed, stream: 1)
        clientRandom = SimulatedRandom(seed: options.seed, stream: 2)
        faultRandom = SimulatedRandom(seed: options.seed, stream: 3)
        routers = Array(repeating: SimulatedRouter(limits: plan.limits), count: plan.routerCount)
        machines = plan.machines.map { SimulatedMachine($0, routerCount: plan.routerCount) }
        report = SimulationReport(seed: options.seed)
        report.workerCount = machines.count
        report.routerCount = routers.count
    }

    subscript(place: LinkPlace) -> SimulatedLink {
        get { machines[place.machine].links[place.router] }
        _modify { yield &machines[place.machine].links[place.router] }
    }

    /// The links of all routers to a machine.
    func links(of machine: Int) -> [LinkPlace] { routers.indices.map { LinkPlace(machine: machine, router: $0) } }
    /// The links of a router to all machines.
    func links(from router: Int) -> [LinkPlace] { machines.indices.map { LinkPlace(machine: $0, router: router) } }

    private mutating func start() {
        for index in machines.indices {
            for place in links(of: index) { expectWorker(at: place) }
            queue.schedule(.processStarted(machine: index), at: after(faultRandom.uniform(0...0.3)))
        }
        for router in routers.indices {
            queue.schedule(.ticked(router: router, life: routers[router].life), at: after(plan.tickSeconds))
        }
        scheduleClients()
        for rate in plan.faults { scheduleFault(rate) }
        queue.schedule(.calmBegan, at: after(plan.activeSeconds))
    }

    func after(_ seconds: Double) -> Instant { now.advanced(bySeconds: seconds) }

    private mutating func step(_ event: ClusterEvent) {
        report.eventCount += 1
        digest(event)
        if options.traceLength > 0 { note("\(event)") }
        handle(event)
        if report.eventCount % max(1, options.checkInterval) == 0 { checkBooks() }
        checkEachEvent()
        if report.eventCount >= Self.eventCountMax { violate("The run does not end.") }
    }

    private mutating func handle(_ event: ClusterEvent) {
        switch event {
        case .processStarted, .connected, .disconnected, .commanded, .stepEnded, .lookedAtStep, .died, .thawed:
            handleMachine(event)
        case .dialled(let place, let link): dial(place, link)
        case .said(let place, let link, let event): hear(event, from: place, link)
        case .linkLost(let place, let link): loseLink(place, link)
        case .ticked(let router, let life): tick(router, life)
        case .routerStarted(let router): startRouter(router)
        case .clientActed(let client): act(client)
        case .clientLeft(let request): leave(request)
        case .faultStruck(let kind): strike(kind)
        case .drainBegan(let machine): drain(machine)
        case .calmBegan: beginCalm()
        }
    }

    // MARK: - What is told of a run

    mutating func violate(_ sentence: String) {
        guard report.violation == nil else { return }
        report.violation = .init(
            event: report.eventCount, seconds: now.seconds(since: Instant(nanoseconds: 0)), sentence: sentence)
    }

    mutating func note(_ line: String) {
        guard options.traceLength > 0 else { return }
        report.trace.append("\(report.eventCount) \(now.seconds(since: Instant(nanoseconds: 0))): \(line)")
        if report.trace.count > 2 * options.traceLength { report.trace.removeFirst(options.traceLength) }
    }

    private mutating func finalReport() -> SimulationReport {
        report.virtualSeconds = now.seconds(since: Instant(nanoseconds: 0))
        if report.violation == nil { checkEnd() }
        report.trace = report.violation == nil ? [] : Array(report.trace.suffix(options.traceLength))
        return report
    }

    private mutating func digest(_ event: ClusterEvent) {
        report.hash.add(UInt64(bitPattern: now.nanoseconds))
        switch event {
        case .processStarted(let machine): report.hash.add(machine)
        case .connected(let place, let process, let link), .disconnected(let place, let process, let link),
            .commanded(let place, let process, let link, _):
            for figure in [1, place.machine, process, Self.figure(link, place.router)] { report.hash.add(figure) }
        case .stepEnded(let machine, let process), .died(let machine, let process, _),
            .lookedAtStep(let machine, let process, _), .thawed(let machine, let process):
            for figure in [2, machine, process] { report.hash.add(figure) }
        case .dialled(let place, let link), .linkLost(let place, let link):
            for figure in [3, place.machine, Self.figure(link, place.router)] { report.hash.add(figure) }
        case .said(let place, let link, let event):
            for figure in [4, place.machine, Self.figure(link, place.router)] { report.hash.add(figure) }
            guard case .step(let step) = event else { return }
            for entry in step.entries {
                report.hash.add(entry.sequence.rawValue)
                for token in entry.tokens { report.hash.add(Int(token)) }
            }
        case .clientActed(let client): report.hash.add(client)
        case .clientLeft(let request): report.hash.add(request.rawValue)
        case .ticked(let router, let life): report.hash.add(Self.figure(life, router))
        case .drainBegan(let machine): report.hash.add(machine)
        case .routerStarted(let router): report.hash.add(Self.figure(5, router))
        case .faultStruck, .calmBegan: report.hash.add(5)
        }
    }

    /// A count of one router's, unlike that of any other.
    private static func figure(_ count: Int, _ router: Int) -> Int { count | router << 32 }
}
