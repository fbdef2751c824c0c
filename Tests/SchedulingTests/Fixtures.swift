import Inference
import Scheduling

extension WorkerDescription {
    /// A worker of a small model; each figure can be chosen.
    static func small(
        model: String = "m", numericsID: String = "n1", slots: Int = 4, pages: Int = 64, pageTokens: Int = 16,
        context: Int = 2048, budget: Int = 64, wholePages: Int? = nil
    ) -> WorkerDescription {
        WorkerDescription(
            model: model, numericsID: numericsID, epoch: 1, slotCount: slots, pageCount: pages,
            wholePageCount: wholePages, pageTokenCount: pageTokens, contextLength: context, vocabularySize: 100,
            stepTokenBudget: budget)
    }
}

extension WorkerLoad {
    /// Takes nothing more.
    static let full = WorkerLoad(freeSlots: 0, freePages: 0, runningSequences: 0, waitingPrefillTokens: 0)
}

extension Instant {
    static func at(_ seconds: Double) -> Instant { Instant(nanoseconds: 0).advanced(bySeconds: seconds) }
}

extension RequestSpec {
    /// A request with a prompt of `tokens` times `token`.
    static func plain(
        _ id: UInt64, tokens: Int = 8, token: TokenID = 1, max: Int = 8, choices: Int = 1, priority: Int = 0
    ) -> RequestSpec {
        RequestSpec(
            id: RequestID(id), model: "m", prompts: [Array(repeating: token, count: tokens)], choiceCount: choices,
            maxTokens: max, priority: priority)
    }
}

extension ClusterScheduler {
    /// A scheduler that has heard of `workers`, numbered from 1.
    static func with(
        _ workers: [WorkerDescription], limits: SchedulingLimits = SchedulingLimits()
    ) -> ClusterScheduler {
        var scheduler = ClusterScheduler(limits: limits)
        for (index, description) in workers.enumerated() {
            _ = scheduler.workerWelcomed(WorkerID(UInt64(index + 1)), description, now: .at(0))
        }
        return scheduler
    }

    /// Reports of a step in which every given sequence made tokens.
    mutating func report(
        _ worker: UInt64, _ entries: [StepEntry], load: WorkerLoad? = nil, seen: UInt64 = .max, at seconds: Double
    ) -> ReportAnswer {
        workerReported(
            WorkerID(worker),
            StepReport(
                number: 1, durationMicroseconds: 10_000, tokenCount: entries.count, entries: entries,
                load: load
                    ?? WorkerLoad(freeSlots: 4, freePages: 64, runningSequences: 0, waitingPrefillTokens: 0),
                commandsSeen: seen), now: .at(seconds))
    }
}

extension [SchedulingAction] {
    /// Worker of each admission, by request.
    var admissions: [(request: UInt64, worker: UInt64, sequence: SequenceID)] {
        compactMap {
            guard case .admit(let choice, let sequence, let worker) = $0 else { return nil }
            return (choice.request.rawValue, worker.rawValue, sequence)
        }
    }

    var failures: [UInt64: ServeError] {
        reduce(into: [:]) { found, action in
            if case .fail(let id, let error) = action { found[id.rawValue] = error }
        }
    }
}
