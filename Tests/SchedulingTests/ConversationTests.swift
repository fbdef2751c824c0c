import Inference
import Scheduling
import Testing

/// Conversations, whose every prompt begins with all that was said before.
@Suite struct ConversationTests {
    /// Tokens of a conversation up to some length: unlike those of any other.
    private static func tokens(_ conversation: Int, _ count: Int) -> [TokenID] {
        (0..<count).map { TokenID(conversation * 1000 + $0) }
    }

    @Test func `a conversation stays where its turns are cached, and all of them are spread`() throws {
        let worker = WorkerDescription.small(slots: 16, pages: 1000, budget: 1000)
        var scheduler = ClusterScheduler.with([worker, worker, worker])
        var homes: [Int: Set<UInt64>] = [:]
        var now = 0.0
        var commands: [UInt64: UInt64] = [:]
        for turn in 1...6 {
            // The order in which they go on is another one in every turn.
            for number in 0..<12 {
                let conversation = (number * 5 + turn) % 12
                now += 0.1
                let prompt = Self.tokens(conversation, 64 * turn)
                let spec = RequestSpec(
                    id: RequestID(UInt64(turn * 100 + conversation)), model: "m", prompts: [prompt], maxTokens: 8)
                let admission = try #require(try scheduler.requestSubmitted(spec, now: .at(now)).admissions.first)
                homes[conversation, default: []].insert(admission.worker)
                commands[admission.worker, default: 0] += 1
                scheduler.workerPrefixChanged(
                    WorkerID(admission.worker), added: PrefixHash.chain(prompt, pageTokenCount: 16, salt: 0),
                    removed: [], isSnapshot: false)
                // Three turns are underway at a time.
                guard number % 3 == 2 else { continue }
                for id in scheduler.openIDs(turn) {
                    guard let (host, sequence) = scheduler.placement(of: ChoiceID(id, 0)) else { continue }
                    _ = scheduler.report(
                        host.rawValue, [StepEntry(sequence: sequence, tokens: [1], finish: .stop)],
                        load: WorkerLoad(
                            freeSlots: 16, freePages: 1000, runningSequences: 0, waitingPrefillTokens: 0),
                        seen: commands[host.rawValue] ?? 0, at: now)
                }
            }
        }

        #expect(homes.values.allSatisfy { $0.count == 1 }, "\(homes)")
        #expect(Set(homes.values.flatMap { $0 }).count == 3)
    }
}

extension ClusterScheduler {
    /// Names that a turn's requests have, where they are open.
    fileprivate func openIDs(_ turn: Int) -> [RequestID] {
        (0..<12).map { RequestID(UInt64(turn * 100 + $0)) }.filter { placement(of: ChoiceID($0, 0)) != nil }
    }
}
