import Inference

/// What requests in the queue weigh, in the measures that bound it.
struct QueueLoad: Equatable, Sendable {
    var requests = 0
    /// Of prompts, and of journals of what has run before.
    var tokens = 0
    /// That a router holds for them.
    var bytes = 0

    static func += (a: inout Self, b: Self) {
        a.requests += b.requests
        a.tokens += b.tokens
        a.bytes += b.bytes
    }

    static func -= (a: inout Self, b: Self) {
        a.requests -= b.requests
        a.tokens -= b.tokens
        a.bytes -= b.bytes
    }

    subscript(measure: QueueMeasure) -> Int {
        switch measure {
        case .requests: requests
        case .tokens: tokens
        case .bytes: bytes
        }
    }

    /// The first measure in which this and `new` together are over the limit. Does not overflow.
    func overfull(with new: QueueLoad, limit: QueueLoad) -> QueueMeasure? {
        QueueMeasure.allCases.first { new[$0] > limit[$0] || self[$0] > limit[$0] - new[$0] }
    }

    /// So much of everything, and one request at least.
    func share(_ part: Double) -> QueueLoad {
        func some(_ whole: Int) -> Int { Int(exactly: (Double(whole) * part).rounded(.down)) ?? whole }
        return QueueLoad(requests: max(1, some(requests)), tokens: some(tokens), bytes: some(bytes))
    }
}
