import Inference

/// One address where a worker process is, was, or will be again, and the router's link to it.
struct SimulatedMachine: Sendable {
    let description: WorkerDescription
    /// nil while no process runs.
    var worker: SimulatedWorker?
    /// Counts processes: what was meant for an earlier one is nobody's.
    var process = 0
    var isComputing = false
    var slowUntil: Instant?
    /// The whole process stands still.
    var frozenUntil: Instant?
    /// Its engine does.
    var hungUntil: Instant?
    var partitionedUntil: Instant?
    var delayedUntil: Instant?
    /// What came while it stood still.
    var held: [ClusterEvent] = []

    // MARK: - The link, as the router sees it

    /// Counts connections: what an earlier one still brings is late.
    var link = 0
    var isConnected = false
    /// Welcomed, and known to the scheduler.
    var isServing = false
    /// Since when it has taken sequences without a break.
    var servingSince: Instant?
    var workerID = WorkerID(0)
    var isSuspect = false
    var saysDraining = false
    var dialPauseSeconds = 0.05
    /// Messages keep their order: none arrives before the last one on its way.
    var lastToWorker = Instant(nanoseconds: 0)
    var lastToRouter = Instant(nanoseconds: 0)

    init(_ description: WorkerDescription) { self.description = description }

    func isFrozen(at now: Instant) -> Bool { frozenUntil.map { $0 > now } ?? false }
    func isHung(at now: Instant) -> Bool { hungUntil.map { $0 > now } ?? false }
    func isPartitioned(at now: Instant) -> Bool { partitionedUntil.map { $0 > now } ?? false }
    func slowness(at now: Instant) -> Double { slowUntil.map { $0 > now } ?? false ? 10 : 1 }
}

/// What happens next, somewhere.
enum ClusterEvent: Sendable {
    // On a machine; `process` says which of its processes is meant.
    case processStarted(machine: Int)
    case connected(machine: Int, process: Int, link: Int)
    case disconnected(machine: Int, process: Int, link: Int)
    case commanded(machine: Int, process: Int, link: Int, WorkerCommand)
    case stepEnded(machine: Int, process: Int)
    case died(machine: Int, process: Int, of: Int)
    case thawed(machine: Int, process: Int)
    // In the router.
    case dialled(machine: Int, link: Int)
    case said(machine: Int, link: Int, WorkerEvent)
    case linkLost(machine: Int, link: Int)
    case ticked(router: Int)
    case routerStarted
    // Among clients.
    case clientActed(Int)
    case clientLeft(RequestID)
    // Outside.
    case faultStruck(FaultKind)
    case drainBegan(machine: Int)
    case calmBegan
}
