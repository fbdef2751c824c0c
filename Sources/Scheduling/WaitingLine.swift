import Inference

/// Place in a line: higher priority first; then what has run before, since its client is in the middle of an answer
/// and others wait behind what it will free; then who came first, among those of one tenant.
struct LinePlace: Comparable, Sendable {
    var priority: Int
    var hasRun: Bool
    var ticket: UInt64

    static func < (a: Self, b: Self) -> Bool {
        if a.priority != b.priority { return a.priority > b.priority }
        if a.hasRun != b.hasRun { return a.hasRun }
        return a.ticket < b.ticket
    }

    /// Whether this goes first, whoever came first.
    func outranks(_ other: Self) -> Bool { Self(priority: priority, hasRun: hasRun, ticket: other.ticket) < other }
}

typealias WaitingLine = IndexedHeap<ChoiceID, LinePlace>

/// Order of workers with room: least to do first, then most room, then the lower id.
struct WorkerRank: Comparable, Sendable {
    /// Prompt tokens that must be computed before a new sequence's, and what its neighbours cost it.
    var cost: Int
    var freePages: Int
    var freeSlots: Int
    var worker: WorkerID

    static func < (a: Self, b: Self) -> Bool {
        if a.cost != b.cost { return a.cost < b.cost }
        if a.freePages != b.freePages { return a.freePages > b.freePages }
        if a.freeSlots != b.freeSlots { return a.freeSlots > b.freeSlots }
        return a.worker < b.worker
    }
}

/// Workers of one model that give equal bits, and the choices that only they can continue.
struct NumericsGroup: Sendable {
    var workers: Set<WorkerID> = []
    /// Ready workers with a free slot.
    var available = IndexedHeap<WorkerID, WorkerRank>()
    /// Choices with tokens made by this group.
    var line = WaitingLine()
    var prefixes = PrefixIndex()
}

/// One model: its lines, its workers by numerics id, and what was learned of its answers.
struct ModelQueue: Sendable {
    let name: String
    /// Choices without tokens: any worker of the model may take them.
    var line = FairLine()
    var groups = GroupTable()
    /// Of all its workers.
    var slotCount = 0
    /// Workers of all groups that are offered.
    var availableCount = 0
    /// Workers, the one with most pages first: the negative of its pages as tokens.
    var capacities = IndexedHeap<WorkerID, Int>()
    var outputs = OutputLengths()
    var speed = QueueSpeed()
    var runningCount = 0
    /// Sequences that draining workers were asked for and have not given back yet.
    var askedBackCount = 0
    /// Open requests that give way to all others, see ``ClusterScheduler/giveWay(_:now:into:)``.
    var copies: Set<RequestID> = []
    /// What waits for it.
    var waiting = QueueLoad()

    init(name: String) {
        self.name = name
    }

    var waitingCount: Int { line.count + groups.waitingCount }
}
