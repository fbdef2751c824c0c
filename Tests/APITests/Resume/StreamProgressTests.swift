import TestSupport
import Testing

@testable import API

/// A choice made twice, cut into pieces differently: what comes after any point is the same.
@Suite struct StreamProgressTests {
    private struct Made {
        /// One entry for each token: the text that may be shown since the one before, and how many tokens it tells.
        var steps: [AnswerPiece] = []

        init(_ random: inout SeededRandom) {
            let texts = ["", "a", "é", "swift ", "😀", "\u{FFFD}", "\n"]
            for number in 0..<(1 + random.below(40)) {
                let token = PlacedToken(bytes: [UInt8(number)], logprob: -1, top: [], textOffset: number)
                steps.append(
                    AnswerPiece(text: texts[random.below(7)], tokens: random.happens(0.8) ? [token] : []))
            }
        }

        /// The same, as a few larger pieces.
        func pieces(_ random: inout SeededRandom) -> [AnswerPiece] {
            var pieces = [AnswerPiece()]
            for step in steps {
                pieces[pieces.count - 1].append(step)
                if random.happens(0.5) { pieces.append(AnswerPiece()) }
            }
            return pieces
        }

        var whole: AnswerPiece { steps.reduce(into: AnswerPiece()) { $0.append($1) } }
    }

    @Test(arguments: 0..<200 as Range<UInt64>) func `the parts make the whole`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let made = Made(&random)
        let first = made.pieces(&random)
        let cut = random.below(first.count + 1)
        var heard = AnswerPiece()
        var before = StreamProgress(choiceCount: 1)
        for piece in first.prefix(cut) { heard.append(try before.append(piece, to: 0) ?? AnswerPiece()) }

        var after = StreamProgress(after: before.choices, hasUsage: false)
        for piece in made.pieces(&random) { heard.append(try after.append(piece, to: 0) ?? AnswerPiece()) }

        #expect(heard == made.whole, "seed \(seed)")
        #expect(try after.finish(0), "seed \(seed)")
        #expect(try !after.finish(0), "seed \(seed)")
        var calm = StreamProgress(choiceCount: 1)
        for piece in first { _ = try calm.append(piece, to: 0) }
        _ = try calm.finish(0)
        #expect(calm.choices == after.choices, "seed \(seed)")
    }

    @Test(arguments: 0..<100 as Range<UInt64>) func `another text is never sent behind the first`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let made = Made(&random)
        guard !made.whole.text.isEmpty else { return }
        var before = StreamProgress(choiceCount: 1)
        for piece in made.pieces(&random) { _ = try before.append(piece, to: 0) }
        var other = made
        let place = made.steps.indices.filter { !made.steps[$0].text.isEmpty }[0]
        other.steps[place].text = "x"

        #expect(throws: StreamDiverged.self, "seed \(seed)") {
            var after = StreamProgress(after: before.choices, hasUsage: false)
            for piece in other.pieces(&random) {
                #expect(try after.append(piece, to: 0) == nil, "seed \(seed)")
            }
            _ = try after.finish(0)
        }
    }

    @Test func `each chunk that comes once comes once over both parts`() throws {
        var before = StreamProgress(choiceCount: 2)
        #expect(before.open(0) && !before.open(0) && before.echo(0) && before.use())
        _ = try before.finish(1)
        var after = StreamProgress(after: before.choices, hasUsage: before.hasUsage)
        #expect(!after.open(0) && after.open(1) && !after.echo(0) && after.echo(1) && !after.use())
        #expect(try !after.finish(1))
        #expect(!after.isFinished)
        #expect(try after.finish(0))
        #expect(after.isFinished)
    }

    @Test func `a choice that goes on after its end is not the same choice`() throws {
        var before = StreamProgress(choiceCount: 1)
        _ = try before.append(AnswerPiece(text: "ab"), to: 0)
        _ = try before.finish(0)
        var after = StreamProgress(after: before.choices, hasUsage: false)
        _ = try after.append(AnswerPiece(text: "ab"), to: 0)
        #expect(throws: StreamDiverged.self) { try after.append(AnswerPiece(text: "c"), to: 0) }
    }
}
