import Engine
import Grammar
import Inference
import Models
import TestSupport
import Testing

/// Constrained sequences: their outputs are what was asked for, and the same whatever else goes on.
@Suite struct ConstraintTests {
    /// 101 tokens: 0 to 2 are no text (1 and 2 stop), then all that the constraints below need, some of it twice.
    static let texts: [String] = {
        let characters = "{}[]\",:0123456789.-+eE\n abcdefghijklmnopqrstuvwxyz\\/_".map { String($0) }
        let words = [
            "true", "false", "null", "{\"", "\":", "\",", "\", \"", "\"}", "},", "name", "age", "na", "me\":", "12",
            "345", "[1",
            "abc", "ab", "é", "日", "yes", "no", "no,", "\"", "e\"",
        ]
        let all = ["", "", ""] + characters + words
        return all + (all.count..<101).map { "w\($0)" }
    }()
    static let vocabulary = TokenVocabulary(texts.map { Array($0.utf8) })

    static let constraints: [OutputConstraint] = [
        OutputConstraint(
            .jsonSchema,
            #"{"type":"object","properties":{"name":{"type":"string","maxLength":6},"age":{"type":"integer","maximum":99}},"required":["name"],"additionalProperties":false}"#
        ),
        OutputConstraint(.jsonSchema, #"{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":5}"#),
        .jsonObject, OutputConstraint(.regex, "(ab|[0-9]{2,4}é?)+"),
        OutputConstraint(.choice, #"["yes","no","yes, no"]"#),
        OutputConstraint(
            .grammar, "root ::= \"(\"? list\nlist ::= item (\",\" item){0,3}\nitem ::= [a-d]+ | \"{\" list \"}\""),
    ]

    /// ``randomSequences(_:seed:vocabularySize:)``, each with a constraint or, one in seven, without.
    static func sequences(_ count: Int, seed: UInt64) -> [AdmittedSequence] {
        var sequences = randomSequences(count, seed: seed)
        for place in sequences.indices {
            let choice = (place + Int(seed)) % (constraints.count + 1)
            if choice < constraints.count { sequences[place].sampling.constraint = constraints[choice] }
            sequences[place].sampling.maxTokens += 30
        }
        return sequences
    }

    static func run(_ sequences: [AdmittedSequence], _ options: EngineOptions, pageCount: Int = 256)
        -> EngineDrive<ScriptedRuntime>
    {
        let drive = EngineDrive(running: ScriptedRuntime(pageCount: pageCount), options, vocabulary: vocabulary)
        drive.run(sequences)
        return drive
    }

    static func alone(_ sequences: [AdmittedSequence]) -> [SequenceID: Outcome] {
        var outcomes: [SequenceID: Outcome] = [:]
        for sequence in sequences {
            let options = EngineOptions(
                slotCount: 1, stepTokenBudget: 512, prefixCacheEnabled: false, speculationEnabled: false)
            outcomes[sequence.id] = run([sequence], options).outcomes[sequence.id]
        }
        return outcomes
    }

    static let seeds: [UInt64] = [1, 2, 3, 4, 5, 6]

    @Test(arguments: seeds) func `what ends is what was asked for; what is cut short could have become it`(seed: UInt64)
        throws
    {
        let sequences = Self.sequences(28, seed: seed)
        let outcomes = Self.alone(sequences)
        var ended = 0
        for sequence in sequences {
            guard let constraint = sequence.sampling.constraint else { continue }
            let outcome = try #require(outcomes[sequence.id])
            let grammar = try CompiledGrammar(constraint)
            switch outcome.finish {
            case .stop:
                ended += 1
                let bytes = outcome.tokens.dropLast().flatMap { Array(Self.texts[Int($0)].utf8) }
                #expect(try grammar.accepts(bytes), "\(constraint.source): \(String(decoding: bytes, as: UTF8.self))")
                #expect([1, 2].contains(outcome.tokens.last))
            case .length:
                #expect(outcome.tokens.count == sequence.sampling.maxTokens)
                _ = try GrammarMatcher(grammar, Self.vocabulary).follow(outcome.tokens[...])
            case .failed(let reason), .unservable(let reason): Issue.record("\(constraint.source): \(reason)")
            case nil: Issue.record("sequence \(sequence.id) did not end")
            }
        }
        #expect(ended > 8)
    }

    @Test(arguments: seeds, [(16, 7, 256), (3, 64, 256), (12, 48, 44)])
    func `in company, in pieces, preempted, with drafts: the same answers`(
        seed: UInt64, shape: (slots: Int, budget: Int, pages: Int)
    ) {
        let sequences = Self.sequences(14, seed: seed).map { sequence in
            var sequence = sequence
            sequence.sampling.promptLogprobs = nil
            return sequence
        }
        let drive = Self.run(
            sequences, EngineOptions(slotCount: shape.slots, stepTokenBudget: shape.budget), pageCount: shape.pages)
        #expect(drive.outcomes == Self.alone(sequences))
        if shape.pages < 256 { #expect(drive.preemptionCount > 0, "the pool is too large to show anything") }
    }

    @Test(arguments: seeds) func `a journal continued elsewhere goes on as it would have`(seed: UInt64) throws {
        for sequence in Self.sequences(7, seed: seed) {
            var sequence = sequence
            sequence.sampling.promptLogprobs = nil
            let whole = try #require(Self.alone([sequence])[sequence.id])
            for kept in stride(from: 1, to: whole.tokens.count, by: 5) {
                var continued = sequence
                continued.tokens += whole.tokens.prefix(kept)
                let rest = try #require(Self.alone([continued])[sequence.id])
                #expect(rest.tokens == Array(whole.tokens.dropFirst(kept)) && rest.finish == whole.finish)
            }
        }
    }

    @Test func `drafts that the grammar does not allow are not computed, those it allows are`() {
        var sequence = AdmittedSequence.greedy(1, [5, 6, 7, 5, 6, 7, 5, 6, 7], maxTokens: 60)
        sequence.sampling.constraint = OutputConstraint(.regex, "(ab)*")
        sequence.sampling.stopTokens = [1]
        sequence.sampling.logitBias = [LogitBias(token: 1, bias: -100)]
        let drive = Self.run([sequence], EngineOptions(slotCount: 1))

        let statistics = drive.loop.statistics
        #expect(drive.outcomes[SequenceID(1)]?.finish == .length)
        #expect(statistics.acceptedDraftTokenCount > 0)
        #expect(drive.outcomes == Self.alone([sequence]))
    }

    @Test func `where only the end is left it comes, even before min_tokens`() {
        var sequence = AdmittedSequence.greedy(1, [5, 6, 7], maxTokens: 30)
        sequence.sampling.constraint = OutputConstraint(.choice, #"["no"]"#)
        sequence.sampling.stopTokens = [1, 2]
        sequence.sampling.minTokens = 20
        let outcome = Self.alone([sequence])[SequenceID(1)]
        #expect(outcome?.finish == .stop)
        #expect(outcome?.tokens.dropLast().map { Self.texts[Int($0)] }.joined() == "no")
    }

    @Test func `what cannot be followed fails that sequence alone, with a sentence`() {
        var bad = AdmittedSequence.greedy(1, [5])
        bad.sampling.constraint = OutputConstraint(.regex, "(")
        var strange = AdmittedSequence.greedy(2, [5, 9], maxTokens: 4)
        strange.promptTokenCount = 1
        strange.sampling.constraint = OutputConstraint(.choice, #"["no"]"#)
        var missing = AdmittedSequence.greedy(3, [5])
        missing.sampling.constraint = OutputConstraint(.regex, "[B-D]")
        let good = AdmittedSequence.greedy(4, [5])
        let outcomes = Self.run([bad, strange, missing, good], EngineOptions(slotCount: 4)).outcomes

        func reason(_ id: UInt64) -> String {
            if case .failed(let reason)? = outcomes[SequenceID(id)]?.finish { reason } else { "" }
        }
        func mistake(_ id: UInt64) -> String {
            if case .unservable(let reason)? = outcomes[SequenceID(id)]?.finish { reason } else { "" }
        }
        #expect(reason(1).contains("a group is not closed"))
        #expect(reason(2).contains("Output token 0"))
        #expect(mistake(3).contains("No token"))
        #expect(outcomes[SequenceID(4)]?.finish == .length)

        let drive = EngineDrive(ScriptedRuntime())
        missing.sampling.constraint = OutputConstraint(.regex, "a")
        drive.run([missing])
        #expect(
            drive.outcomes[SequenceID(3)]?.finish
                == .failed("This worker knows no vocabulary to constrain output with."))
    }
}
