import Inference

/// One connected router, as the engine counts for it.
struct RouterShare {
    let router: Int
    /// What it may use, an equal part of the worker's.
    var slotCount = 0
    var pageCount = 0
    /// Commands of this router that were applied.
    var commandsSeen: UInt64 = 0
    /// Entries for its next report.
    var entries: [StepEntry] = []
    /// Those of its last report, whose memory will be used again.
    private(set) var reported: [StepEntry] = []
    /// What it was last told, so that it hears of changes and of nothing else.
    var told: Told?

    struct Told: Equatable {
        var slotCount: Int
        var pageCount: Int
        var load: WorkerLoad
        var commandsSeen: UInt64
    }
}

extension RouterShare {
    /// Takes the memory of the last report back. Comes when that is sent, so that it is nobody else's.
    mutating func reclaim(_ spare: inout SpareTokens) {
        for index in reported.indices { spare.keep(&reported[index].tokens) }
        reported.removeAll(keepingCapacity: true)
    }

    /// - Returns: the entries of the report that is due.
    mutating func takeEntries() -> [StepEntry] {
        swap(&entries, &reported)
        return reported
    }
}

extension [RouterShare] {
    /// Divides slots and pages evenly; what is left over goes to those who came first. With more routers than slots
    /// some get none, and their requests find other workers.
    mutating func divide(slotCount: Int, pageCount: Int) {
        for place in indices {
            self[place].slotCount = slotCount / count + (place < slotCount % count ? 1 : 0)
            self[place].pageCount = pageCount / count + (place < pageCount % count ? 1 : 0)
        }
    }
}
