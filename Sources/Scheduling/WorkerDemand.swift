import DequeModule
package import Inference

/// What a model's requests ask of its workers at one moment.
package struct ModelLoad: Equatable, Sendable {
    /// Sequences in workers and in the queue.
    package var runningCount = 0
    package var waitingCount = 0
    /// Prompt and expected output tokens of what waits.
    package var waitingTokens = 0
    /// How long the first in line has waited.
    package var oldestSeconds: Double = 0
    /// Workers that take sequences, and the slots of all of them.
    package var workerCount = 0
    package var slotCount = 0
    /// KV pages of the workers: in use by running sequences, in all, and how many tokens each holds.
    package var usedPageCount = 0
    package var pageCount = 0
    package var pageTokenCount = 0

    package init() {}

    /// Share of KV pages in use, 0 to 1.
    package var cacheUsage: Double { pageCount > 0 ? Double(usedPageCount) / Double(pageCount) : 0 }
}

/// How many workers a model wants, from what it was asked of late. A value with the clock as an argument, told the load
/// about once a second.
///
/// Three needs count, and the largest wins: slots for all sequences, pages for their tokens, and workers enough to empty
/// the queue within `waitSeconds` at the rate of now. Needs are smoothed over `smoothSeconds`, a long queue is not: what waits
/// is there. More workers are wanted at once, fewer only when for `holdSeconds` the largest need left a margin, so that a
/// steady load leaves the number alone.
package struct WorkerDemand: Sendable {
    /// Part of slots and pages that may be in use before more workers are wanted: the rest is for bursts, which are here
    /// before a new worker is.
    package static let fillTarget = 0.8
    /// Seconds of queue that are all right.
    package static let waitSeconds = 2.0
    /// What a long queue may multiply workers by at once.
    package static let growthMax = 4.0
    package static let smoothSeconds = 30.0
    /// As long as autoscalers of Kubernetes look back before they scale down.
    package static let holdSeconds = 300.0
    /// The smaller number has to stay the same for so long: several steps down become one. One that never rests is taken
    /// after `holdSeconds`, at its largest.
    package static let restSeconds = 60.0
    /// Part of the workers that stay which must be left over, or those that went would soon be wanted again.
    package static let margin = 0.1
    /// Over so long the rate of tokens is measured.
    package static let rateSeconds = 10.0

    /// Workers wanted: 0 when nothing has been asked for `holdSeconds`.
    package private(set) var desired = 0
    /// How long what waits will wait, in seconds: its tokens at the rate of late, or how long it has waited already where
    /// that is more.
    package private(set) var queueSeconds: Double = 0

    private var smoothed: Double = 0
    private var slotsEach = 0.0
    private var samples: Deque<(at: Instant, tokens: Int)> = []
    private var lastTold: Instant?
    /// Needs of the last `holdSeconds` that no later one exceeds: the first is the largest.
    private var needs: Deque<(at: Instant, need: Double)> = []

    /// Fewer workers that would have been enough, for as long as fewer are.
    private var fall: Fall?
    private struct Fall {
        var workers: Int
        var restsSince: Instant
        var most: Int
        var began: Instant
    }

    package init() {}

    /// - Parameter tokenCount: tokens, of prompts and outputs, computed for the model since the router's start.
    package mutating func observe(_ load: ModelLoad, tokenCount: Int, now: Instant) {
        let passed = lastTold.map { now.seconds(since: $0) } ?? Self.smoothSeconds
        lastTold = now
        queueSeconds = wait(load, tokenCount: tokenCount, now: now)
        if load.workerCount > 0, load.slotCount > 0 { slotsEach = Double(load.slotCount) / Double(load.workerCount) }

        let sequences = Double(load.runningCount + load.waitingCount)
        let workers = Double(load.workerCount)
        let bySlots = slotsEach > 0 ? sequences / (slotsEach * Self.fillTarget) : min(sequences, 1)
        let byPages = workers * load.cacheUsage / Self.fillTarget
        let need = max(bySlots, byPages)
        smoothed += (need - smoothed) * min(1, max(0, passed / Self.smoothSeconds))
        let byQueue =
            queueSeconds > Self.waitSeconds && load.waitingCount > 0
            ? workers * min(Self.growthMax, queueSeconds / Self.waitSeconds) : 0
        settle(on: max(smoothed, byQueue, sequences > 0 ? 1 : 0), now: now)
    }

    /// More at once, fewer when the largest need of `holdSeconds` leaves a margin.
    private mutating func settle(on need: Double, now: Instant) {
        while let first = needs.first, now.seconds(since: first.at) > Self.holdSeconds { needs.removeFirst() }
        while let last = needs.last, last.need <= need { needs.removeLast() }
        needs.append((now, need))
        func whole(_ workers: Double) -> Int { workers < 0.05 ? 0 : Int(min(workers.rounded(.up), 1e6)) }
        let enough = whole((needs.first?.need ?? need) / (1 - Self.margin))
        if enough < desired { falls(to: enough, now: now) } else { fall = nil }
        desired = max(desired, whole(need))
    }

    private mutating func falls(to enough: Int, now: Instant) {
        var falling = fall ?? Fall(workers: enough, restsSince: now, most: enough, began: now)
        if enough != falling.workers { (falling.workers, falling.restsSince) = (enough, now) }
        falling.most = max(falling.most, enough)
        fall = falling
        if now.seconds(since: falling.restsSince) >= Self.restSeconds {
            (desired, fall) = (falling.workers, nil)
        } else if now.seconds(since: falling.began) >= Self.holdSeconds {
            (desired, fall) = (falling.most, nil)
        }
    }

    private mutating func wait(_ load: ModelLoad, tokenCount: Int, now: Instant) -> Double {
        while let first = samples.first, now.seconds(since: first.at) > Self.rateSeconds { samples.removeFirst() }
        samples.append((now, tokenCount))
        guard load.waitingCount > 0, let first = samples.first else { return 0 }
        let seconds = now.seconds(since: first.at)
        guard seconds > 0, tokenCount > first.tokens else { return load.oldestSeconds }
        let rate = Double(tokenCount - first.tokens) / seconds
        return max(load.oldestSeconds, Double(load.waitingTokens) / rate)
    }
}
