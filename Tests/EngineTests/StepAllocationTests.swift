import CAllocations
import Engine
import Inference
import Kernels
import Models
import Testing

/// A step of decode allocates nothing on the engine's thread. Helpers run the same code.
///
/// Each test warms its loop up first: tables grow while sequences are new. What they hold later was reserved then.
@Suite struct StepAllocationTests {
    static let sequenceCount = 64

    /// Answers with the same row for all, or with a row whose likeliest token follows from the position.
    final class EqualRows: ModelRuntime {
        let description: ModelDescription
        let isPeriodic: Bool
        private let rows: UnsafeMutableBufferPointer<Float>

        init(isPeriodic: Bool = false) {
            self.isPeriodic = isPeriodic
            let size = 4096
            description = ModelDescription(
                name: "rows", architecture: "none", numericsID: "0", vocabularySize: size, contextLength: 4096,
                pageTokenCount: 16, pageCount: 4096, stepTokenMax: 8192)
            rows = .allocate(capacity: 2 * sequenceCount * size)
            for place in rows.indices {
                let share = Float(place % size * 2654435 % 4099) / 4099
                rows[place] = isPeriodic ? 0 : 8 * share * share * share
            }
        }

        deinit { rows.deallocate() }

        func execute(_ slices: [StepSlice]) -> UnsafeBufferPointer<Float> {
            guard isPeriodic else { return UnsafeBufferPointer(rows) }
            var row = 0
            for slice in slices {
                let end = slice.startPosition + slice.tokens.count
                for position in end - slice.rowCount..<end {
                    for token in 0..<7 {
                        rows[row * description.vocabularySize + token] = token == position % 7 ? 9 : 0
                    }
                    row += 1
                }
            }
            return UnsafeBufferPointer(rows)
        }
    }

    static func loop(
        _ runtime: any ModelRuntime, _ sampling: SamplingParameters, sequences: Int, promptCount: Int = 40,
        routers: Int = 1, vocabulary: Int = 4096
    ) -> StepLoop {
        var loop = StepLoop(runtime: runtime, options: EngineOptions(slotCount: sequences))
        for router in 0..<routers { loop.register(router: router) }
        for id in 0..<sequences {
            let prompt = (0..<promptCount + id % 16).map { TokenID(($0 + 31 * id) % vocabulary) }
            var own = sampling
            own.maxTokens = 400
            own.seed = UInt64(id)
            let sequence = AdmittedSequence(
                id: SequenceID(UInt64(id)), tokens: prompt, promptTokenCount: prompt.count, sampling: own)
            loop.apply(.admit(sequence), from: id % routers, now: MonotonicClock.now())
        }
        while loop.statistics.waitingPrefillTokenCount > 0 { _ = loop.step(clock: MonotonicClock.now) }
        return loop
    }

    /// Allocations of each of the next steps, and tokens that they reported.
    static func measure(_ loop: inout StepLoop, warmUp: Int, steps: Int) -> (allocations: [Int], tokenCount: Int) {
        for _ in 0..<warmUp { _ = loop.step(clock: MonotonicClock.now) }
        var allocations: [Int] = []
        allocations.reserveCapacity(steps)
        var tokenCount = 0
        for _ in 0..<steps {
            let before = apus_allocation_count()
            for (_, event) in loop.step(clock: MonotonicClock.now) {
                if case .step(let report) = event {
                    for entry in report.entries { tokenCount += entry.tokens.count }
                }
            }
            allocations.append(apus_allocation_count() - before)
        }
        return (allocations, tokenCount)
    }

    @Test func `an allocation is counted`() {
        let before = apus_allocation_count()
        let array = [Int](repeating: 1, count: before.hashValue & 1 + 100)
        #expect(apus_allocation_count() > before && array.count >= 100)
    }

    @Test(arguments: ["greedy", "all", "top-p", "top-k", "top-k and top-p", "min-p", "bias"])
    func `64 sequences in decode`(kind: String) {
        var sampling = SamplingParameters()
        switch kind {
        case "greedy": sampling.temperature = 0
        case "top-p": sampling.topP = 0.95
        case "top-k": sampling.topK = 100
        case "top-k and top-p": (sampling.topK, sampling.topP) = (100, 0.9)
        case "min-p": sampling.minP = 0.05
        case "bias": sampling.logitBias = [LogitBias(token: 5, bias: 1)]
        default: break
        }
        var loop = Self.loop(EqualRows(), sampling, sequences: Self.sequenceCount)
        let (allocations, tokenCount) = Self.measure(&loop, warmUp: 40, steps: 100)
        #expect(tokenCount == 100 * Self.sequenceCount)
        #expect(allocations.allSatisfy { $0 == 0 }, "\(allocations)")
    }

    @Test func `of three routers`() {
        var loop = Self.loop(EqualRows(), SamplingParameters(), sequences: Self.sequenceCount, routers: 3)
        let (allocations, tokenCount) = Self.measure(&loop, warmUp: 40, steps: 100)
        #expect(tokenCount == 100 * Self.sequenceCount)
        #expect(allocations.allSatisfy { $0 == 0 }, "\(allocations)")
    }

    @Test func `with drafts by prompt lookup`() {
        var sampling = SamplingParameters()
        sampling.temperature = 0
        var loop = Self.loop(EqualRows(isPeriodic: true), sampling, sequences: 3)
        let (allocations, tokenCount) = Self.measure(&loop, warmUp: 40, steps: 60)
        #expect(tokenCount > 60 * 4 && loop.statistics.acceptedDraftTokenCount > 100)
        #expect(allocations.allSatisfy { $0 == 0 }, "\(allocations)")
    }

    @Test(arguments: [1, 2]) func `of a model, whose pass belongs to the step`(threads: Int) throws {
        let model = try DeterminismTests.model(threads: threads)
        var sampling = SamplingParameters()
        sampling.topK = 50
        var loop = Self.loop(
            model, sampling, sequences: 9, promptCount: 12, vocabulary: model.description.vocabularySize)
        let (allocations, tokenCount) = Self.measure(&loop, warmUp: 24, steps: 40)
        #expect(tokenCount == 40 * 9)
        #expect(allocations.allSatisfy { $0 == 0 }, "\(allocations)")
    }
}
