import Inference

/// Some workers of a run become ten times slower: when a router knows, and what it gives them then.
struct SlowWatch: Sendable {
    static let factor = 10.0

    /// The first so many workers.
    private let count: Int
    /// From when on.
    private let start: Instant
    /// For how long each has computed slow steps before it was noticed, and until when the last of them goes: while it
    /// computes nothing there is nothing to be seen.
    private var busy: [Int: (seconds: Double, end: Instant)] = [:]
    private var noticed: Set<Int> = []
    private var setAside: Set<Int> = []
    private(set) var setAsideMax = 0
    /// Admissions to workers that were set aside.
    private(set) var wrongAdmissions = 0

    init(count: Int, from start: Instant) {
        self.count = count
        self.start = start
    }

    /// By how much a step that begins now takes longer.
    func slowness(of worker: Int, at now: Instant) -> Double {
        worker < count && now >= start ? Self.factor : 1
    }

    mutating func stepBegan(on worker: Int, at now: Instant, until end: Instant) {
        guard worker < count, now >= start, !noticed.contains(worker) else { return }
        busy[worker] = ((busy[worker]?.seconds ?? 0) + end.seconds(since: now), end)
    }

    mutating func wasSetAside(_ worker: Int, at now: Instant) {
        setAside.insert(worker)
        setAsideMax = max(setAsideMax, setAside.count)
        guard worker < count, let (seconds, end) = busy[worker], noticed.insert(worker).inserted else { return }
        busy[worker] = (seconds - max(0, end.seconds(since: now)), now)
    }

    mutating func isBack(_ worker: Int) { setAside.remove(worker) }

    mutating func admitted(to worker: Int) {
        if setAside.contains(worker) { wrongAdmissions += 1 }
    }

    func write(into result: inout PolicyResult) {
        result.slowCount = busy.count
        result.slowNoticedCount = noticed.count
        result.slowSecondsMax = busy.values.map(\.seconds).max() ?? 0
        result.setAsideMax = setAsideMax
        result.wrongAdmissions = wrongAdmissions
    }
}
