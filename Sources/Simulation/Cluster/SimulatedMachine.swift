import Inference

/// One address where a worker process is, was, or will be again, and the routers' links to it.
struct SimulatedMachine: Sendable {
    let description: WorkerDescription
    /// nil while no process runs.
    var worker: SimulatedWorker?
    /// Counts processes: what was meant for an earlier one is nobody's.
    var process = 0
    var isComputing = false
    /// Since when its steps take ten times as long, and until when.
    var slowSince: Instant?
    var slowUntil: Instant?
    /// All machines have too much to do, by so much.
    var busyUntil: Instant?
    var busyFactor = 1.0
    /// The whole process stands still.
    var frozenUntil: Instant?
    /// Its engine does, since and until.
    var hungSince: Instant?
    var hungUntil: Instant?
    /// Something was wrong until then with it, or the way to it, that may make it look silent.
    var troubledUntil: Instant?
    /// What came while it stood still.
    var held: [ClusterEvent] = []
    /// One of each router.
    var links: [SimulatedLink]

    init(_ description: WorkerDescription, routerCount: Int) {
        self.description = description
        links = Array(repeating: SimulatedLink(), count: routerCount)
    }

    func isFrozen(at now: Instant) -> Bool { frozenUntil.map { $0 > now } ?? false }
    func isHung(at now: Instant) -> Bool { hungUntil.map { $0 > now } ?? false }
    func isSlow(at now: Instant) -> Bool { slowUntil.map { $0 > now } ?? false }
    func isBusy(at now: Instant) -> Bool { busyUntil.map { $0 > now } ?? false }
    func slowness(at now: Instant) -> Double { (isSlow(at: now) ? 10 : 1) * (isBusy(at: now) ? busyFactor : 1) }

    /// As workers promise.
    static let signSeconds = 0.2

    /// KV pages that a router has at least, however many are connected.
    var pageShareMin: Int { description.pageCount / links.count }
    /// The tokens that they hold.
    var tokenShareMin: Int { pageShareMin * description.pageTokenCount }
}

/// What happens next, somewhere.
enum ClusterEvent: Sendable {
    // On a machine; `process` says which of its processes is meant, `link` which connection of a router to it.
    case processStarted(machine: Int)
    case connected(LinkPlace, process: Int, link: Int)
    case disconnected(LinkPlace, process: Int, link: Int)
    case commanded(LinkPlace, process: Int, link: Int, WorkerCommand)
    case stepEnded(machine: Int, process: Int)
    case lookedAtStep(machine: Int, process: Int, step: UInt64)
    case died(machine: Int, process: Int, of: Int)
    case thawed(machine: Int, process: Int)
    // In a router.
    case dialled(LinkPlace, link: Int)
    case said(LinkPlace, link: Int, WorkerEvent)
    case linkLost(LinkPlace, link: Int)
    case ticked(router: Int, life: Int)
    case routerStarted(Int)
    // Among clients.
    case clientActed(Int)
    case clientLeft(RequestID)
    // Outside.
    case faultStruck(FaultKind)
    case drainBegan(machine: Int)
    case calmBegan
}
