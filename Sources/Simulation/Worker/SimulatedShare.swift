import Inference

/// A router's connection, as a worker names it.
package struct LinkName: Hashable, Sendable {
    package var router: Int
    /// Counts its connections.
    package var number: Int

    package init(router: Int = 0, number: Int = 0) {
        self.router = router
        self.number = number
    }
}

/// One connected router, as the worker counts for it.
struct SimulatedShare: Sendable {
    let link: LinkName
    /// An equal part of the worker's.
    var slotCount = 0
    var pageCount = 0
    /// Commands of this router that were applied.
    var commandsSeen: UInt64 = 0
    /// Entries for its next report that no slice of a step causes.
    var entries: [StepEntry] = []
    /// What it was last told.
    var told: Told?

    struct Told: Equatable, Sendable {
        var slotCount: Int
        var pageCount: Int
        var load: WorkerLoad
        var commandsSeen: UInt64
    }

    init(_ link: LinkName) { self.link = link }
}

extension SimulatedWorker {
    /// Divides slots and pages evenly; what is left over goes to those who came first.
    mutating func divide() {
        let count = shares.count
        for place in shares.indices {
            shares[place].slotCount =
                description.slotCount / count + (place < description.slotCount % count ? 1 : 0)
            shares[place].pageCount =
                description.pageCount / count + (place < description.pageCount % count ? 1 : 0)
        }
    }

    package var connectedRouters: [Int] { shares.map(\.link.router) }

    /// The connection of a router; nil where it has none.
    package func linkNumber(of router: Int) -> Int? { shares.first { $0.link.router == router }?.link.number }

    /// What is left for a router: of its share, and of what there is.
    func load(of share: SimulatedShare) -> WorkerLoad {
        guard shares.count > 1 else { return load }
        var (running, waiting, held) = (0, 0, Set<UInt64>())
        var pages = 0
        for sequence in sequences where sequence.router == share.link.router {
            running += 1
            waiting += sequence.waitingPrefillCount
            pages += sequence.pages.ownCount
            held.formUnion(sequence.pages.hashes)
        }
        pages += held.count
        let freeSlots = min(share.slotCount - running, description.slotCount - sequences.count)
        return WorkerLoad(
            freeSlots: isDraining ? 0 : max(0, freeSlots),
            freePages: min(pool.availableCount, max(0, share.pageCount - pages)), runningSequences: running,
            waitingPrefillTokens: waiting)
    }

    func tellable(_ share: SimulatedShare) -> SimulatedShare.Told {
        SimulatedShare.Told(
            slotCount: share.slotCount, pageCount: share.pageCount, load: load(of: share),
            commandsSeen: share.commandsSeen)
    }

    /// - Returns: what cannot be of shares, in words.
    func shareViolation() -> String? {
        if sequences.count > description.slotCount {
            return "\(sequences.count) sequences run in \(description.slotCount) slots"
        }
        if let stray = sequences.first(where: { linkNumber(of: $0.router) == nil }) {
            return "\(stray.id) belongs to router \(stray.router), which is not connected"
        }
        guard !shares.isEmpty else { return nil }
        let (slots, pages) = shares.reduce((0, 0)) { ($0.0 + $1.slotCount, $0.1 + $1.pageCount) }
        guard slots == description.slotCount, pages == description.pageCount else {
            return "shares of \(slots) slots and \(pages) pages are granted"
        }
        return nil
    }
}
