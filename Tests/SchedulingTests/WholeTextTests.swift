import Inference
import Scheduling
import Testing

/// Workers without KV pages, which read whole texts.
@Suite struct WholeTextTests {
    static func worker(slots: Int = 4, budget: Int = 64) -> WorkerDescription {
        var worker = WorkerDescription.small(slots: slots, pages: 0, context: 100, budget: budget)
        worker.pooledOutput = .vector(size: 8)
        return worker
    }

    static func request(_ id: UInt64, tokens: Int = 8, texts: Int = 1) -> RequestSpec {
        RequestSpec(
            id: RequestID(id), model: "m", prompts: Array(repeating: Array(repeating: 1, count: tokens), count: texts),
            maxTokens: 0, usesPrefixCache: false, readsWhole: true)
    }

    static let idle = WorkerLoad(freeSlots: 4, freePages: 0, runningSequences: 0, waitingPrefillTokens: 0)

    @Test func `no pages are needed: slots, and what waits to be computed, decide`() throws {
        var scheduler = ClusterScheduler.with([Self.worker(), Self.worker()])

        let actions = try scheduler.requestSubmitted(Self.request(1, tokens: 60, texts: 12), now: .at(0))

        let byWorker = Dictionary(grouping: actions.admissions, by: \.worker).mapValues(\.count)
        #expect(byWorker.count == 2 && byWorker.values.allSatisfy { (1...4).contains($0) })
        #expect(scheduler.waitingCount("m") == 12 - actions.admissions.count)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a text longer than any worker reads is refused at once`() {
        var scheduler = ClusterScheduler.with([Self.worker()])

        #expect(throws: ServeError.contextExceeded(promptTokens: 101, maxTokens: nil, contextLength: 100)) {
            try scheduler.requestSubmitted(Self.request(1, tokens: 101), now: .at(0))
        }
        #expect(throws: Never.self) { try scheduler.requestSubmitted(Self.request(2, tokens: 100), now: .at(0)) }
    }

    /// One after the other: any of them may be what the worker died of.
    @Test func `texts of a lost worker are read elsewhere, and end there`() throws {
        var scheduler = ClusterScheduler.with([Self.worker()])
        let first = try scheduler.requestSubmitted(Self.request(1, texts: 3), now: .at(0)).admissions
        #expect(first.count == 3)
        _ = scheduler.workerWelcomed(WorkerID(2), Self.worker(), now: .at(0.1))

        var admitted = scheduler.workerLost(WorkerID(1), now: .at(0.2)).admissions
        var read: [Int] = []
        for turn in 1...3 {
            let now = 0.2 + 0.1 * Double(turn)
            admitted += scheduler.timePassed(.at(now)).admissions
            #expect(admitted.count == 1 && admitted.allSatisfy { $0.worker == 2 })
            let entries = admitted.map { StepEntry(sequence: $0.sequence, pooled: [1], finish: .stop) }
            let answer = scheduler.report(2, entries, load: Self.idle, at: now)
            read += answer.choices.compactMap { $0?.index }
            admitted = answer.actions.admissions
        }

        #expect(read.sorted() == [0, 1, 2])
        #expect(scheduler.openRequests == 0)
        #expect(scheduler.invariantViolation() == nil)
    }
}
