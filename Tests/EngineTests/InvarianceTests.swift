import Engine
import Inference
import Models
import TestSupport
import Testing

/// A token is a function of weights, tokens before it, parameters, seed and position. Here a script that reads its KV
/// through page tables stands for the weights, so the engine's part of that promise is tested alone.
@Suite struct InvarianceTests {
    static let seeds: [UInt64] = [1, 2, 3, 4, 5, 6, 7, 8]

    /// Each sequence in an engine of its own that caches nothing and computes prompts at once.
    static func undisturbed(_ sequences: [AdmittedSequence]) -> [SequenceID: Outcome] {
        var outcomes: [SequenceID: Outcome] = [:]
        for sequence in sequences {
            let drive = EngineDrive(
                ScriptedRuntime(), EngineOptions(slotCount: 1, stepTokenBudget: 512, prefixCacheEnabled: false))
            drive.run([sequence])
            outcomes[sequence.id] = drive.outcomes[sequence.id]
        }
        return outcomes
    }

    static func digest(_ outcomes: [SequenceID: Outcome], _ sequences: [AdmittedSequence]) -> String {
        var digest = Digest()
        for sequence in sequences {
            digest.feed(sequence.id)
            if let outcome = outcomes[sequence.id] { digest.feed(outcome) }
        }
        return digest.description
    }

    @Test(arguments: seeds, [1, 7, 64, 512]) func `sixteen at once give what each gives alone, however prompts are cut`(
        seed: UInt64, budget: Int
    ) {
        let sequences = randomSequences(16, seed: seed)
        let alone = Self.undisturbed(sequences)

        let drive = EngineDrive(ScriptedRuntime(), EngineOptions(slotCount: 16, stepTokenBudget: budget))
        drive.run(sequences)

        #expect(alone.count == 16 && alone.values.allSatisfy { $0.finish != nil })
        #expect(drive.outcomes == alone)
        #expect(Self.digest(drive.outcomes, sequences) == Self.digest(alone, sequences))
    }

    @Test(arguments: seeds) func `a warm prefix cache gives what a cold one gives`(seed: UInt64) {
        let sequences = randomSequences(16, seed: seed)
        let alone = Self.undisturbed(sequences)

        let drive = EngineDrive(ScriptedRuntime(), EngineOptions(slotCount: 4, stepTokenBudget: 32))
        drive.run(sequences)
        let again = sequences.map { sequence in
            AdmittedSequence(
                id: SequenceID(sequence.id.rawValue + 100), tokens: sequence.tokens,
                promptTokenCount: sequence.promptTokenCount, sampling: sequence.sampling, priority: sequence.priority)
        }
        drive.run(again)

        for sequence in sequences {
            let warm = SequenceID(sequence.id.rawValue + 100)
            #expect(drive.outcomes[sequence.id] == alone[sequence.id])
            #expect(drive.outcomes[warm] == alone[sequence.id])
            let pages = sequence.sampling.promptLogprobs == nil ? (sequence.tokens.count - 1) / 4 : 0
            #expect(drive.cachedCounts[warm] == pages * 4)
        }
    }

    @Test(arguments: seeds) func `preempted and resumed sequences go on as if nothing had been`(seed: UInt64) {
        let sequences = randomSequences(12, seed: seed).map { sequence in
            var sequence = sequence
            sequence.sampling.promptLogprobs = nil
            return sequence
        }
        let alone = Self.undisturbed(sequences)

        let drive = EngineDrive(ScriptedRuntime(pageCount: 40), EngineOptions(slotCount: 12, stepTokenBudget: 48))
        drive.run(sequences)

        #expect(drive.preemptionCount > 0, "the pool is too large to show anything")
        #expect(drive.outcomes == alone)
    }

    @Test(arguments: seeds) func `a sequence given back at any token goes on elsewhere with its journal`(seed: UInt64) {
        let sequences = randomSequences(8, seed: seed)
        let alone = Self.undisturbed(sequences)
        var random = SeededRandom(seed: seed)

        for sequence in sequences {
            guard let whole = alone[sequence.id], whole.tokens.count > 1 else { continue }
            let cut = Int.random(in: 1..<whole.tokens.count, using: &random)
            var moved = sequence
            moved.tokens += whole.tokens.prefix(cut)
            moved.sampling.promptLogprobs = nil
            let elsewhere = EngineDrive(
                ScriptedRuntime(pageTokenCount: 8), EngineOptions(slotCount: 4, stepTokenBudget: 5))
            elsewhere.run([moved])

            let rest = elsewhere.outcomes[sequence.id]
            #expect(rest?.tokens == Array(whole.tokens.dropFirst(cut)))
            #expect(rest?.logprobs == Array(whole.logprobs.dropFirst(cut)))
            #expect(rest?.finish == whole.finish)
        }
    }

    @Test(arguments: seeds) func `commands at random moments disturb no one else`(seed: UInt64) {
        let sequences = randomSequences(16, seed: seed)
        let alone = Self.undisturbed(sequences)
        var random = SeededRandom(seed: seed ^ 0xABCD)
        let (kept, cancelled) = (
            sequences.filter { $0.id.rawValue % 3 != 0 }, sequences.filter { $0.id.rawValue % 3 == 0 }
        )

        let drive = EngineDrive(ScriptedRuntime(pageCount: 80), EngineOptions(slotCount: 16, stepTokenBudget: 20))
        for sequence in cancelled { drive.apply(.admit(sequence)) }
        for _ in 0..<Int.random(in: 0...6, using: &random) { drive.step() }
        for sequence in cancelled { drive.apply(.cancel(sequence.id)) }
        for sequence in kept { drive.apply(.admit(sequence)) }
        for _ in 0..<3 { drive.step() }
        for sequence in kept where random.happens(0.5) && sequence.sampling.promptLogprobs == nil {
            drive.apply(.preempt(sequence.id))
        }
        drive.run([])

        for sequence in kept where sequence.sampling.promptLogprobs == nil {
            #expect(drive.outcomes[sequence.id] == alone[sequence.id])
        }
    }
}
