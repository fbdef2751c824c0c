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

    /// Beside a running stream a prompt gets less than half of each step: 80 of 100 tokens cached are worth that, 48 not.
    @Test(arguments: [(3, 2), (5, 1)] as [(Int, UInt64)])
    func `a warm worker that decodes is chosen where it is sooner done than an idle one`(
        pages: Int, chosen: UInt64
    ) throws {
        let worker = WorkerDescription.small(slots: 16, pages: 1000, budget: 1000)
        var scheduler = ClusterScheduler.with([worker, worker])
        #expect(try scheduler.requestSubmitted(.plain(1), now: .at(0)).admissions.map(\.worker) == [1])
        let load = WorkerLoad(freeSlots: 15, freePages: 999, runningSequences: 1, waitingPrefillTokens: 0)
        _ = scheduler.report(1, [], load: load, seen: 1, at: 0.1)
        let prompt = Self.tokens(1, 100)
        let held = PrefixHash.chain(prompt, pageTokenCount: 16, salt: 0).prefix(pages)
        scheduler.workerPrefixChanged(WorkerID(1), added: Array(held), removed: [], isSnapshot: false)

        let spec = RequestSpec(id: RequestID(2), model: "m", prompts: [prompt], maxTokens: 8)
        #expect(try scheduler.requestSubmitted(spec, now: .at(0.2)).admissions.map(\.worker) == [chosen])
    }
}

extension ClusterScheduler {
    /// Names that a turn's requests have, where they are open.
    fileprivate func openIDs(_ turn: Int) -> [RequestID] {
        (0..<12).map { RequestID(UInt64(turn * 100 + $0)) }.filter { placement(of: ChoiceID($0, 0)) != nil }
    }
}
