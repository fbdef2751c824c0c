import Engine
import Inference
import Models
import TestSupport
import Testing

/// A model that reads whole texts: one number is how many tokens it has, the other a hash of them.
final class TextRuntime: ModelRuntime {
    let description = ModelDescription(
        name: "texts", architecture: "script", numericsID: "texts-1", vocabularySize: 101, contextLength: 40,
        pageTokenCount: 32, pageCount: 0, stepTokenMax: 64, pooledOutput: .vector(size: 2))
    private(set) var steps: [[StepSlice]] = []
    private let rows = UnsafeMutableBufferPointer<Float>.allocate(capacity: 128)
    /// A text that begins with this gives a NaN.
    var poison: TokenID?

    deinit { rows.deallocate() }

    static func vector(_ tokens: [TokenID], _ secondStart: Int?) -> [Float] {
        let hash = tokens.reduce(UInt64(secondStart ?? 0)) { SeededRandom.mix($0 ^ UInt64($1)) }
        return [Float(tokens.count), Float(hash % 4096)]
    }

    func execute(_ slices: [StepSlice]) -> UnsafeBufferPointer<Float> {
        steps.append(slices)
        for (index, slice) in slices.enumerated() {
            let vector = Self.vector(slice.tokens, slice.pooling?.secondStart)
            rows[2 * index] = slice.tokens.first == poison ? .nan : vector[0]
            rows[2 * index + 1] = vector[1]
        }
        return UnsafeBufferPointer(rebasing: rows[0..<2 * slices.count])
    }
}

@Suite struct WholeTextTests {
    static func text(_ id: UInt64, _ tokens: [TokenID], secondStart: Int? = nil) -> AdmittedSequence {
        var sequence = AdmittedSequence.greedy(id, tokens, maxTokens: 0)
        sequence.pooling = Pooling(secondStart: secondStart)
        return sequence
    }

    static func entries(_ events: [RoutedEvent]) -> [StepEntry] {
        var entries: [StepEntry] = []
        for (_, event) in events {
            if case .step(let report) = event { entries += report.entries }
        }
        return entries
    }

    @Test func `a step holds whole texts within its budget, in order, and all of them come out`() {
        let runtime = TextRuntime()
        let drive = EngineDrive(running: runtime, EngineOptions(slotCount: 16, stepTokenBudget: 40))
        let lengths = [30, 20, 10, 38, 5, 40, 1]
        let texts = lengths.enumerated().map { Self.text(UInt64($0 + 1), Array(repeating: TokenID($0), count: $1)) }

        drive.run(texts)

        // The second does not fit beside the first, the third does.
        #expect(runtime.steps.first?.map(\.tokens.count) == [30, 10])
        #expect(runtime.steps.allSatisfy { $0.reduce(0) { $0 + $1.tokens.count } <= 40 })
        #expect(runtime.steps.joined().allSatisfy { $0.startPosition == 0 && $0.pages.isEmpty })
        let found = Self.entries(drive.events)
        #expect(found.count == texts.count)
        for text in texts {
            let entry = found.first { $0.sequence == text.id }
            #expect(entry?.pooled == TextRuntime.vector(text.tokens, nil))
            #expect(entry?.finish == .stop)
        }
        #expect(drive.loop.runningCount == 0)
    }

    @Test func `a text longer than the budget has a step for itself`() {
        let runtime = TextRuntime()
        let drive = EngineDrive(running: runtime, EngineOptions(slotCount: 4, stepTokenBudget: 8))
        drive.run([Self.text(1, Array(repeating: 5, count: 40)), Self.text(2, [6]), Self.text(3, [7])])

        #expect(runtime.steps.map { $0.map(\.tokens.count) } == [[40], [1, 1]])
    }

    @Test func `where the second of two texts begins reaches the runtime`() {
        let runtime = TextRuntime()
        let drive = EngineDrive(running: runtime, EngineOptions())
        drive.run([Self.text(1, [1, 2, 3, 4], secondStart: 2)])

        #expect(Self.entries(drive.events).map(\.pooled) == [TextRuntime.vector([1, 2, 3, 4], 2)])
    }

    @Test func `numbers that are none fail the text and no other`() {
        let runtime = TextRuntime()
        runtime.poison = 9
        let drive = EngineDrive(running: runtime, EngineOptions())
        drive.run([Self.text(1, [9, 2]), Self.text(2, [8, 2])])

        let found = Self.entries(drive.events)
        #expect(found.map(\.pooled) == [[], TextRuntime.vector([8, 2], nil)])
        guard case .failed? = found.first?.finish else {
            Issue.record("\(found)")
            return
        }
    }

    @Test func `what the model does not do is refused in a sentence, and costs no step`() {
        let runtime = TextRuntime()
        let drive = EngineDrive(running: runtime, EngineOptions())
        drive.run([.greedy(1, [1, 2]), Self.text(2, Array(repeating: 1, count: 41)), Self.text(3, [1, 200])])
        let generating = EngineDrive()
        generating.run([Self.text(4, [1, 2])])

        for outcome in [1, 2, 3].map({ drive.outcomes[SequenceID($0)] }) + [generating.outcomes[SequenceID(4)]] {
            guard case .failed(let sentence)? = outcome?.finish else {
                Issue.record("\(String(describing: outcome))")
                continue
            }
            #expect(sentence.hasSuffix("."))
        }
        #expect(runtime.steps.isEmpty && generating.runtime.steps.isEmpty)
    }

    @Test func `a text that is cancelled before its step is never read`() {
        let runtime = TextRuntime()
        let drive = EngineDrive(running: runtime, EngineOptions(slotCount: 8, stepTokenBudget: 10))
        for id in 1...3 as ClosedRange<UInt64> { drive.apply(.admit(Self.text(id, Array(repeating: 1, count: 10)))) }
        drive.step()
        drive.apply(.cancel(SequenceID(2)))
        drive.step()
        drive.step()

        #expect(Self.entries(drive.events).map(\.sequence) == [SequenceID(1), SequenceID(3)])
        #expect(drive.loop.hasWork == false)
    }
}
