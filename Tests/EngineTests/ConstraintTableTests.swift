import Grammar
import Inference
import Testing

@testable import Engine

/// So many grammars are kept, and forgetting one changes no answer.
@Suite struct ConstraintTableTests {
    /// One of many constraints, each allowing another text.
    private static func sequence(_ number: Int) -> RunningSequence {
        var sampling = SamplingParameters()
        sampling.constraint = OutputConstraint(.choice, #"["ab\#(number)","no"]"#)
        return RunningSequence(
            AdmittedSequence(id: SequenceID(1), tokens: [3], promptTokenCount: 1, sampling: sampling), router: 0)
    }

    /// Which compiled grammar the table has for a constraint: another number when it was compiled anew.
    private static func matcher(_ table: ConstraintTable, _ number: Int) throws -> UInt64 {
        let asked = sequence(number)
        let constraint = try #require(asked.sampling.constraint)
        return try table.place(of: asked, constraint).matcher
    }

    @Test(arguments: [(1, 32), (40, 40), (1000, 128)])
    func `what is used least goes when there is one too many`(sequenceCountMax: Int, capacity: Int) throws {
        let table = ConstraintTable(ConstraintTests.vocabulary, sequenceCountMax: sequenceCountMax)
        let first = try (0..<capacity).map { try Self.matcher(table, $0) }

        #expect(try (0..<capacity).map { try Self.matcher(table, $0) } == first, "all fit")
        _ = try Self.matcher(table, 0)
        _ = try Self.matcher(table, capacity)

        #expect(try Self.matcher(table, 0) == first[0], "used since")
        #expect(try (2..<capacity).map { try Self.matcher(table, $0) } == Array(first[2...]))
        #expect(try Self.matcher(table, 1) != first[1], "the one that went")
    }

    @Test func `a place in a grammar that was forgotten is found again`() throws {
        let table = ConstraintTable(ConstraintTests.vocabulary, sequenceCountMax: 1)
        var sequence = Self.sequence(0)
        let atStart = try #require(try table.mask(for: &sequence))
        let letter = try #require(ConstraintTests.texts.firstIndex(of: "a"))
        #expect(atStart.contains(TokenID(letter)))
        sequence.tokens.append(TokenID(letter))
        var untouched = sequence
        let known = try #require(try table.mask(for: &untouched))

        for number in 1...32 { _ = try Self.matcher(table, number) }
        let before = sequence.constraintPlace
        let again = try #require(try table.mask(for: &sequence))

        #expect(sequence.constraintPlace?.matcher != before?.matcher)
        #expect(
            (0..<TokenID(ConstraintTests.texts.count)).allSatisfy { again.contains($0) == known.contains($0) })
        #expect(again.mayEnd == known.mayEnd && again.count == known.count)
    }
}
