import Engine
import Inference
import Models
import Testing

@Suite struct FinishTests {
    @Test func `a sequence ends with its stop token, which is its last`() {
        let drive = EngineDrive()
        drive.run([.greedy(1, [5, 6, 7], maxTokens: 12)])
        let whole = drive.outcomes[SequenceID(1)]
        #expect(whole?.tokens.count == 12 && whole?.finish == .length)
        guard let tokens = whole?.tokens,
            let stop = tokens.dropFirst(4).first(where: { !tokens.prefix(4).contains($0) })
        else {
            Issue.record("the script repeats itself")
            return
        }

        var sequence = AdmittedSequence.greedy(2, [5, 6, 7], maxTokens: 12)
        sequence.sampling.stopTokens = [stop]
        drive.run([sequence])

        let end = tokens.firstIndex(of: stop) ?? 0
        #expect(drive.outcomes[SequenceID(2)] == Outcome(tokens: Array(tokens[...end]), finish: .stop))
    }

    @Test func `the context's length ends a sequence`() {
        let drive = EngineDrive(ScriptedRuntime(contextLength: 10))
        drive.run([.greedy(1, [5, 6, 7], maxTokens: 100)])
        #expect(drive.outcomes[SequenceID(1)]?.tokens.count == 7)
        #expect(drive.outcomes[SequenceID(1)]?.finish == .length)
    }

    /// So that it can go on elsewhere before anybody has seen an end.
    @Test func `a full context is told when all tokens have been`() {
        let drive = EngineDrive(ScriptedRuntime(contextLength: 5))
        drive.apply(.admit(.greedy(1, [5, 6, 7], maxTokens: 100)))
        drive.apply(.admit(.greedy(2, [5, 6, 8], maxTokens: 2)))
        var entries: [StepEntry] = []
        while drive.loop.hasWork {
            for case (_, .step(let report)) in drive.step() { entries += report.entries }
        }
        #expect(entries.filter { $0.sequence == SequenceID(1) }.map(\.tokens.count) == [1, 1, 0])
        #expect(entries.filter { $0.sequence == SequenceID(1) }.map(\.finish) == [nil, nil, .length])
        #expect(entries.filter { $0.sequence == SequenceID(2) }.map(\.finish) == [nil, .length])
    }

    @Test func `no output wanted: the prompt is computed and scored, and no token comes`() {
        let drive = EngineDrive(ScriptedRuntime(contextLength: 8), EngineOptions(slotCount: 2, stepTokenBudget: 3))
        var sequence = AdmittedSequence.greedy(1, [5, 6, 7, 8, 9, 10, 11, 12], maxTokens: 0)
        sequence.sampling.promptLogprobs = 2
        drive.run([sequence, .greedy(2, [5, 6], maxTokens: 0)])

        let outcome = drive.outcomes[SequenceID(1)]
        #expect(outcome?.tokens == [] && outcome?.finish == .length)
        #expect(outcome?.promptLogprobs.map(\.token) == [6, 7, 8, 9, 10, 11, 12])
        #expect(outcome?.promptLogprobs.allSatisfy { $0.top.count == 2 } == true)
        #expect(drive.outcomes[SequenceID(2)] == Outcome(finish: .length))
    }

    @Test func `a journal that is complete ends without a step`() {
        let drive = EngineDrive(ScriptedRuntime(contextLength: 8))
        var full = AdmittedSequence.greedy(1, [5, 6, 7, 8], maxTokens: 2)
        full.promptTokenCount = 2
        var stopped = AdmittedSequence.greedy(2, [5, 6, 9], maxTokens: 9)
        (stopped.promptTokenCount, stopped.sampling.stopTokens) = (2, [9])
        var long = AdmittedSequence.greedy(3, [5, 6, 7, 8, 5, 6, 7, 8], maxTokens: 90)
        long.promptTokenCount = 7
        drive.run([full, stopped, long])

        #expect(drive.outcomes[SequenceID(1)] == Outcome(finish: .length))
        #expect(drive.outcomes[SequenceID(2)] == Outcome(finish: .stop))
        #expect(drive.outcomes[SequenceID(3)] == Outcome(finish: .length))
        #expect(drive.runtime.steps.isEmpty)
    }

    static let malformed: [(AdmittedSequence, String)] = [
        (AdmittedSequence(id: SequenceID(1), tokens: [], promptTokenCount: 0, sampling: .init()), "no tokens"),
        (AdmittedSequence(id: SequenceID(1), tokens: [1], promptTokenCount: 0, sampling: .init()), "prompt is 0 of 1"),
        (AdmittedSequence(id: SequenceID(1), tokens: [1], promptTokenCount: 2, sampling: .init()), "prompt is 2 of 1"),
        (AdmittedSequence(id: SequenceID(1), tokens: [1], promptTokenCount: .min, sampling: .init()), "at least 1"),
        (AdmittedSequence(id: SequenceID(1), tokens: [1, 101], promptTokenCount: 2, sampling: .init()), "Token 101"),
        (AdmittedSequence(id: SequenceID(1), tokens: [-1, 1], promptTokenCount: 2, sampling: .init()), "Token -1"),
        (.greedy(1, Array(repeating: 3, count: 40)), "context holds 40"),
        (.greedy(1, Array(repeating: 3, count: 33)), "needs 9 KV pages"),
    ]

    @Test(arguments: malformed) func `what cannot run fails with a sentence, and nothing is computed`(
        sequence: AdmittedSequence, fact: String
    ) {
        let drive = EngineDrive(ScriptedRuntime(contextLength: 40, pageCount: 8))
        drive.run([sequence])

        guard case .failed(let sentence) = drive.outcomes[SequenceID(1)]?.finish else {
            Issue.record("\(String(describing: drive.outcomes))")
            return
        }
        #expect(sentence.contains(fact) && sentence.hasSuffix("."))
        #expect(drive.runtime.steps.isEmpty)
        #expect(drive.loop.statistics.usedPageCount == 0)
    }

    @Test func `a sequence that outgrows all pages fails, having had all it could get`() {
        let drive = EngineDrive(ScriptedRuntime(pageCount: 3))
        drive.run([.greedy(1, [5, 6, 7], maxTokens: 100)])
        #expect(drive.outcomes[SequenceID(1)]?.tokens.count == 10)
        guard case .failed(let sentence) = drive.outcomes[SequenceID(1)]?.finish else {
            Issue.record("it went on")
            return
        }
        #expect(sentence.contains("12 tokens"))
    }

    @Test func `logits that are not numbers fail their own sequence only, and its pages are not shared`() {
        let drive = EngineDrive()
        drive.runtime.poison = 77
        let alone = EngineDrive()
        alone.run([.greedy(2, [5, 6, 7, 8, 9])])
        drive.run([.greedy(1, [5, 6, 7, 77]), .greedy(2, [5, 6, 7, 8, 9])])

        guard case .failed(let sentence) = drive.outcomes[SequenceID(1)]?.finish else {
            Issue.record("it went on")
            return
        }
        #expect(sentence.contains("position 4"))
        #expect(drive.outcomes[SequenceID(2)] == alone.outcomes[SequenceID(2)])
        drive.runtime.poison = nil
        drive.run([.greedy(3, [5, 6, 7, 77, 1])])
        #expect(drive.cachedCounts[SequenceID(3)] == 0)
    }
}

@Suite struct CommandTests {
    @Test func `a cancelled sequence is gone at the next step with all its pages, and not a word is said of it`() {
        let drive = EngineDrive()
        for id in 1...6 {
            drive.apply(.admit(.greedy(UInt64(id), Array(repeating: TokenID(id), count: 30), maxTokens: 90)))
        }
        drive.step()
        drive.step()
        #expect(drive.loop.statistics.usedPageCount > 0)

        for id in 1...6 { drive.apply(.cancel(SequenceID(UInt64(id)))) }
        let events = drive.step()

        #expect(drive.loop.statistics.usedPageCount == 0 && drive.loop.runningCount == 0)
        #expect(drive.loop.hasWork == false)
        for (_, event) in events {
            guard case .credit(let slotCount, let pageCount, let load, let seen) = event else {
                Issue.record("\(event)")
                continue
            }
            #expect((slotCount, pageCount, seen) == (16, 256, 12))
            #expect(load == WorkerLoad(freeSlots: 16, freePages: 256, runningSequences: 0, waitingPrefillTokens: 0))
        }
        #expect(events.count == 1)
        #expect(drive.step().isEmpty)
    }

    @Test func `an unknown sequence can be cancelled and preempted without harm`() {
        let drive = EngineDrive()
        drive.apply(.cancel(SequenceID(5)))
        drive.apply(.preempt(SequenceID(5)))
        drive.apply(.cancel(SequenceID(5)), router: 44)
        #expect(drive.step().allSatisfy { if case .preempted = $0.event { false } else { true } })
    }

    @Test func `a router may ask for a sequence back`() {
        let drive = EngineDrive()
        drive.apply(.admit(.greedy(1, [5, 6, 7], maxTokens: 20)))
        drive.step()
        drive.loop.apply(.preempt(SequenceID(1)), from: 0, now: Instant(nanoseconds: 0))
        let events = drive.loop.step(clock: { Instant(nanoseconds: 0) })
        #expect(events.map(\.event).contains(.preempted(SequenceID(1))))
        #expect(drive.loop.runningCount == 0 && drive.loop.statistics.usedPageCount == 0)
    }

    @Test func `without a slot or pages for its first chunk a sequence is refused and nothing changes`() {
        let drive = EngineDrive(ScriptedRuntime(pageCount: 6), EngineOptions(slotCount: 2, stepTokenBudget: 64))
        drive.apply(.admit(.greedy(1, Array(1...16), maxTokens: 4)))
        drive.step()
        let before = drive.loop.statistics

        drive.loop.apply(.admit(.greedy(2, Array(20...29))), from: 0, now: Instant(nanoseconds: 0))
        let tooLarge = drive.loop.step(clock: { Instant(nanoseconds: 0) })
        #expect(tooLarge.first?.event == .refused(SequenceID(2)))
        #expect(drive.loop.statistics.runningCount == before.runningCount)

        drive.loop.apply(.admit(.greedy(3, [20, 21])), from: 0, now: Instant(nanoseconds: 0))
        drive.loop.apply(.admit(.greedy(4, [20])), from: 0, now: Instant(nanoseconds: 0))
        let noSlot = drive.loop.step(clock: { Instant(nanoseconds: 0) })
        #expect(noSlot.first?.event == .refused(SequenceID(4)))
        #expect(drive.loop.runningCount == 2 && drive.loop.invariantViolation() == nil)
    }

    @Test func `an id admitted twice ends in one failure, not in two streams`() {
        let drive = EngineDrive()
        drive.apply(.admit(.greedy(1, [5], maxTokens: 50)))
        drive.step()
        drive.apply(.admit(.greedy(1, [5], maxTokens: 50)))
        drive.step()
        guard case .failed = drive.outcomes[SequenceID(1)]?.finish else {
            Issue.record("it runs")
            return
        }
        #expect(drive.loop.runningCount == 0 && drive.loop.statistics.usedPageCount == 0)
    }

    @Test func `draining refuses what comes, lets run what runs, and gives the rest back at the deadline`() {
        let drive = EngineDrive()
        drive.apply(.admit(.greedy(1, [5, 6], maxTokens: 3)))
        drive.apply(.admit(.greedy(2, [5, 6], maxTokens: 500)))
        drive.step()
        drive.apply(.drain(deadlineSeconds: 1))
        drive.apply(.admit(.greedy(3, [5, 6])))
        let first = drive.step()
        #expect(first.map(\.event).prefix(2) == [.draining, .refused(SequenceID(3))])
        drive.apply(.drain(deadlineSeconds: 100))
        drive.step()
        drive.step()
        #expect(drive.outcomes[SequenceID(1)]?.finish == .length)
        #expect(drive.loop.runningCount == 1)

        let last = drive.step(after: 2)

        #expect(last.map(\.event).contains(.preempted(SequenceID(2))))
        #expect(drive.loop.runningCount == 0 && drive.loop.isDraining && !drive.loop.hasWork)
    }

    @Test(arguments: [Double.nan, -Double.infinity, -5]) func `a deadline that is none means now`(seconds: Double) {
        let drive = EngineDrive()
        drive.apply(.admit(.greedy(1, [5, 6], maxTokens: 3)))
        drive.apply(.drain(deadlineSeconds: seconds))
        drive.step(after: 0)
        #expect(drive.loop.runningCount == 0)
    }
}
