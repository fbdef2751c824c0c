import Inference
import Scheduling

/// A router process as the simulation keeps it: the real scheduler, and what must hold of it seen from outside.
struct SimulatedRouter: Sendable {
    var scheduler: ClusterScheduler
    var isUp = true
    /// Counts its processes: a tick of an earlier one is nobody's.
    var life = 1
    /// Requests that clients wait for here.
    var openCount = 0
    /// Names that were given to admissions.
    var admitted: Set<SequenceID> = []
    /// Since when other routers' sequences are admitted where one of its own could be, and none of its own is.
    var starvedSince: Instant?

    init(limits: SchedulingLimits) { scheduler = ClusterScheduler(limits: limits) }
}

/// Which router's link to which machine.
struct LinkPlace: Hashable, Sendable {
    var machine: Int
    var router: Int
}

/// A connection of a router to a machine, as the router sees it.
struct SimulatedLink: Sendable {
    /// Counts connections: what an earlier one still brings is late.
    var number = 0
    var isConnected = false
    /// Welcomed, and known to the scheduler.
    var isServing = false
    /// Since when it has taken sequences without a break.
    var servingSince: Instant?
    /// Since when it has nothing to do while something of the router's waits that it could run.
    var idleSince: Instant?
    var workerID = WorkerID(0)
    var isSuspect = false
    var saysDraining = false
    var dialPauseSeconds = 0.05
    var partitionedUntil: Instant?
    var delayedUntil: Instant?
    /// Commands that came to the worker over this connection.
    var commandsTaken: UInt64 = 0
    /// Messages keep their order: none arrives before the last one on its way.
    var lastToWorker = Instant(nanoseconds: 0)
    var lastToRouter = Instant(nanoseconds: 0)

    func isPartitioned(at now: Instant) -> Bool { partitionedUntil.map { $0 > now } ?? false }
}
