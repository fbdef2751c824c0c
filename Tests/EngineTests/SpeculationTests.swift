@testable import Engine
import Inference
import Models
import TestSupport
import Testing

/// Drafts come from the sequence's own text, and change nothing but how soon tokens come.
@Suite struct SpeculationTests {
    static func draft(after tokens: [TokenID], limit: Int) -> [TokenID] {
        var slice: [TokenID] = [77]
        PromptLookup.addDraft(after: tokens, limit: limit, to: &slice)
        #expect(slice.first == 77)
        return Array(slice.dropFirst())
    }

    @Test(
        arguments: [
            // The latest of equally long matches goes on.
            ([0, 1, 2, 9, 4, 0, 1, 2, 7, 8, 0, 1, 2], 3, [7, 8, 0]),
            // A longer match is better than a later one.
            ([6, 5, 1, 2, 9, 4, 5, 1, 2, 7, 8, 6, 5, 1, 2], 2, [9, 4]),
            // What repeats itself goes on repeating.
            ([3, 1, 2, 1, 2, 1], 5, [2, 1, 2, 1, 2]),
            ([6, 6, 6, 6], 4, [6, 6, 6, 6]),
            // Nothing before, or two tokens only.
            ([1, 2, 3, 4], 4, []),
            ([7, 2, 3, 9, 2, 3], 4, []),
            ([1, 2, 3], 4, []), ([1], 4, []), ([], 4, []),
            ([0, 1, 2, 9, 0, 1, 2], 0, []),
        ] as [([TokenID], Int, [TokenID])])
    func `what followed the longest match is the draft`(tokens: [TokenID], limit: Int, draft: [TokenID]) {
        #expect(Self.draft(after: tokens, limit: limit) == draft)
    }

    @Test func `a match beyond the window is not looked for`() {
        let far = [0, 1, 2, 3] + [TokenID](repeating: 9, count: PromptLookup.windowTokenCount) + [0, 1, 2]
        #expect(Self.draft(after: far, limit: 2).isEmpty)
        #expect(Self.draft(after: Array(far.dropFirst(5)) + [9, 9, 9], limit: 2) == [0, 1])
    }

    @Test func `the pace doubles while drafts are right, and pauses longer each time they are not`() {
        var pace = DraftPace()
        #expect(pace.takeLimit() == 4)
        pace.record(drafted: 4, accepted: 4)
        #expect(pace.takeLimit() == 8)
        pace.record(drafted: 8, accepted: 3)
        #expect(pace.takeLimit() == 4)
        for steps in [2, 4, 8, 16, 32, 64, 64] {
            pace.record(drafted: 2, accepted: 0)
            var waited = 0
            while pace.takeLimit() == 0 { waited += 1 }
            #expect(waited == steps)
        }
        pace.record(drafted: 2, accepted: 1)
        #expect(pace.takeLimit() == 2)
        pace.record(drafted: 8, accepted: 2)
        #expect(pace.takeLimit() == 0, "two of eight do not pay")
    }

    /// What comes before a failure does not hang on how it was computed.
    @Test(arguments: [UInt64(1), 2, 3])
    func `a draft that leads to a failure is taken as far as plain decoding comes`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let requests = (1...200 as ClosedRange<UInt64>).map { id in
            AdmittedSequence.greedy(
                id, (0..<40).map { _ in TokenID.random(in: 0..<4, using: &random) }, maxTokens: 20)
        }
        func run(speculating: Bool) -> (outcomes: [SequenceID: Outcome], accepted: Int) {
            let drive = EngineDrive(
                ScriptedRuntime(vocabularySize: 4), EngineOptions(slotCount: 2, speculationEnabled: speculating))
            drive.runtime.poison = 2
            drive.run(requests)
            return (drive.outcomes, drive.loop.statistics.acceptedDraftTokenCount)
        }
        let (plain, drafted) = (run(speculating: false), run(speculating: true))
        #expect(drafted.outcomes == plain.outcomes, "seed \(seed)")
        #expect(drafted.accepted > 0)
    }

    /// A vocabulary of few tokens repeats itself by chance, so some drafts are right and most are not.
    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6])
    func `with drafts or without, alone or in company: the same answers`(seed: UInt64) {
        for vocabularySize in [4, 6, 11] {
            var requests = randomSequences(12, seed: seed, vocabularySize: vocabularySize)
            // Token 1 stops, 2 does not, so that answers are long enough to repeat themselves.
            for place in requests.indices { requests[place].sampling.stopTokens = [1] }
            requests[0].sampling.stopTokens = []
            requests[0].sampling.maxTokens = 200
            func run(slots: Int, speculating: Bool) -> (outcomes: [SequenceID: Outcome], statistics: EngineStatistics) {
                let drive = EngineDrive(
                    ScriptedRuntime(vocabularySize: vocabularySize, pageCount: 64),
                    EngineOptions(slotCount: slots, stepTokenBudget: 40, speculationEnabled: speculating))
                drive.run(requests)
                return (drive.outcomes, drive.loop.statistics)
            }
            let plain = run(slots: 1, speculating: false)
            #expect(plain.statistics.draftCount == 0)
            for slots in [1, 3, 7, 12] {
                let drafted = run(slots: slots, speculating: true)
                #expect(drafted.outcomes == plain.outcomes, "seed \(seed), \(vocabularySize) tokens, \(slots) at once")
                if slots == 1 && vocabularySize == 4 {
                    let count = drafted.statistics
                    #expect(count.acceptedDraftTokenCount > 0 && count.acceptedDraftTokenCount < count.draftTokenCount)
                    #expect(count.stepCount < plain.statistics.stepCount)
                }
            }
        }
    }

    @Test func `a step of eight sequences, or one that holds a prompt, has no drafts`() {
        func drafts(sequences: Int, arriving: Int) -> Int {
            let drive = EngineDrive(
                ScriptedRuntime(vocabularySize: 2), EngineOptions(slotCount: 16, stepTokenBudget: 8))
            for id in 0..<sequences {
                drive.apply(.admit(.greedy(UInt64(id), [0, 1, 0, 1, 0, 1, TokenID(id % 2)], maxTokens: 60)))
            }
            for _ in 0..<20 { drive.step() }
            if arriving > 0 {
                drive.apply(.admit(.greedy(99, [TokenID](repeating: 0, count: arriving), maxTokens: 1)))
            }
            let before = drive.loop.statistics.draftCount
            for _ in 0..<6 { drive.step() }
            return drive.loop.statistics.draftCount - before
        }
        #expect(drafts(sequences: 2, arriving: 0) > 0)
        #expect(drafts(sequences: 8, arriving: 0) == 0)
        #expect(drafts(sequences: 2, arriving: 300) == 0)
    }
}
