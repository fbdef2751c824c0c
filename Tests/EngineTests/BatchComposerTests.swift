import Engine
import Inference
import Models
import TestSupport
import Testing

@Suite struct BatchComposerTests {
    static func composer(slots: Int = 8, budget: Int = 16, pages: Int = 64, stepTokenMax: Int = 64) -> BatchComposer {
        let model = ModelDescription(
            name: "m", architecture: "a", numericsID: "n", vocabularySize: 1000, contextLength: 500, pageTokenCount: 4,
            pageCount: pages, stepTokenMax: stepTokenMax)
        let options = EngineOptions(slotCount: slots, stepTokenBudget: budget).fitted(to: model)
        return BatchComposer(model: model, options: options)
    }

    static func prompt(_ id: UInt64, _ count: Int) -> [TokenID] {
        (0..<count).map { TokenID(id * 40) + TokenID($0 % 40) }
    }

    /// What a runtime and a sampler would do to the composer.
    static func complete(_ plan: StepPlan, _ composer: inout BatchComposer) {
        for (slice, place) in zip(plan.slices, plan.places) {
            // Drafts prove wrong, all of them.
            composer.advance(place, by: min(slice.tokens.count, composer.sequences[place].pendingCount))
            if composer.sequences[place].pendingCount == 0 { composer.withSequences { $0[place].append(1) } }
            composer.publish(place)
        }
        #expect(composer.invariantViolation() == nil)
    }

    static func ids(_ plan: StepPlan, _ composer: BatchComposer) -> [UInt64] {
        plan.places.map { composer.sequences[$0].key.id.rawValue }
    }

    @Test func `decode comes first and long prompts never hold it back`() {
        var composer = Self.composer(budget: 8)
        for id in 1...3 {
            #expect(
                composer.admit(.greedy(UInt64(id), Self.prompt(UInt64(id), 2)), router: 0, pageLimit: .max) == .admitted
            )
        }
        Self.complete(composer.plan(), &composer)
        for id in 4...5 {
            #expect(
                composer.admit(
                    .greedy(UInt64(id), Self.prompt(UInt64(id), 39), priority: 9), router: 0, pageLimit: .max)
                    == .admitted)
        }

        for _ in 0..<6 {
            let plan = composer.plan()
            let decoding = zip(plan.slices, Self.ids(plan, composer)).filter { $0.1 <= 3 }
            #expect(decoding.map(\.1) == [1, 2, 3] && plan.slices.prefix(3).allSatisfy { $0.tokens.count == 1 })
            #expect(plan.tokenCount == 8)
            Self.complete(plan, &composer)
        }
    }

    @Test func `prefill advances though decode fills the budget`() {
        var composer = Self.composer(slots: 6, budget: 2)
        for id in 1...4 {
            _ = composer.admit(.greedy(UInt64(id), [TokenID(id)], maxTokens: 99), router: 0, pageLimit: .max)
        }
        Self.complete(composer.plan(), &composer)
        _ = composer.admit(.greedy(5, Self.prompt(5, 10)), router: 0, pageLimit: .max)

        let plan = composer.plan()

        #expect(plan.slices.count == 5 && plan.slices.allSatisfy { $0.tokens.count == 1 })
    }

    @Test func `what a worker had before is computed as one that resumes, also if it made no token there`() {
        var composer = Self.composer()
        _ = composer.admit(.greedy(1, [1], maxTokens: 99), router: 0, pageLimit: .max)
        Self.complete(composer.plan(), &composer)
        var again = AdmittedSequence.greedy(2, Self.prompt(2, 10))
        again.resumes = true
        _ = composer.admit(again, router: 0, pageLimit: .max)
        _ = composer.admit(.greedy(3, Self.prompt(3, 10)), router: 0, pageLimit: .max)

        var plan = StepPlan()
        composer.plan(into: &plan) { _, _, resumes in resumes ? 8 : 3 }

        #expect(Self.ids(plan, composer) == [1, 2])
        #expect(plan.slices.map(\.tokens.count) == [1, 8])
    }

    @Test func `prefill goes by priority, then by who came first`() {
        var composer = Self.composer(budget: 30)
        _ = composer.admit(.greedy(1, Self.prompt(1, 20)), router: 0, pageLimit: .max)
        _ = composer.admit(.greedy(2, Self.prompt(2, 20)), router: 0, pageLimit: .max)
        _ = composer.admit(.greedy(3, Self.prompt(3, 20), priority: 1), router: 0, pageLimit: .max)

        let plan = composer.plan()

        #expect(Self.ids(plan, composer) == [3, 1])
        #expect(plan.slices.map(\.tokens.count) == [20, 10])
        #expect(plan.slices.map { if case .last = $0.logits { true } else { false } } == [true, false])
    }

    @Test func `when pages run out the youngest of the lowest priority leaves, and its full pages can be found again`()
    {
        var composer = Self.composer(pages: 6)
        _ = composer.admit(.greedy(1, Self.prompt(1, 7), priority: 1), router: 0, pageLimit: .max)
        _ = composer.admit(.greedy(2, Self.prompt(2, 7)), router: 0, pageLimit: .max)
        _ = composer.admit(.greedy(3, Self.prompt(3, 7)), router: 0, pageLimit: .max)
        var preempted: [UInt64] = []
        for _ in 0..<8 {
            let plan = composer.plan()
            preempted += plan.preempted.map(\.id.rawValue)
            Self.complete(plan, &composer)
        }

        #expect(preempted == [3, 2])
        #expect(composer.sequences.map(\.key.id.rawValue) == [1])
        #expect(composer.pool.indexedHashes.count > 3)
    }

    @Test func `a prompt that finds no page waits for those that run`() {
        var composer = Self.composer(budget: 6, pages: 6)
        _ = composer.admit(.greedy(1, Self.prompt(1, 6), maxTokens: 3), router: 0, pageLimit: .max)
        Self.complete(composer.plan(), &composer)
        _ = composer.admit(.greedy(2, Self.prompt(2, 22), maxTokens: 3), router: 0, pageLimit: .max)
        for _ in 0..<5 {
            let plan = composer.plan()
            #expect(plan.preempted.isEmpty && Self.ids(plan, composer).contains(1))
            if composer.sequences[0].tokens.count < 9 { Self.complete(plan, &composer) }
        }
        let wasThere = composer.remove(SequenceKey(router: 0, id: SequenceID(1)))
        #expect(wasThere)
        let plan = composer.plan()
        #expect(Self.ids(plan, composer) == [2])
    }

    @Test func `what one sequence computes another that waits for its turn takes over`() {
        var composer = Self.composer(budget: 16)
        let prompt = Self.prompt(1, 40)
        for id in 1...3 { _ = composer.admit(.greedy(UInt64(id), prompt), router: 0, pageLimit: .max) }
        var computed = 0
        while composer.sequences.contains(where: { $0.outputCount == 0 }) {
            let plan = composer.plan()
            computed += plan.tokenCount
            Self.complete(plan, &composer)
        }
        #expect(computed < 2 * 40 + 20)
        #expect(
            composer.sequences.allSatisfy { $0.pages.pages.prefix(9) == composer.sequences[0].pages.pages.prefix(9) })
    }

    @Test(arguments: [0, 1]) func `equal prompts that come together are computed once`(shift: Int) {
        var composer = Self.composer(budget: 256, stepTokenMax: 512)
        let prompt = Self.prompt(1, 40 + shift)
        for id in 1...3 { _ = composer.admit(.greedy(UInt64(id), prompt), router: 0, pageLimit: .max) }
        _ = composer.admit(.greedy(4, prompt, salt: 9), router: 0, pageLimit: .max)

        let first = composer.plan()
        #expect(Self.ids(first, composer) == [1, 4])
        Self.complete(first, &composer)
        let second = composer.plan()

        let rest = shift == 0 ? 4 : 1
        #expect(
            zip(second.slices, Self.ids(second, composer)).filter { [2, 3].contains($0.1) }
                .allSatisfy { $0.0.tokens.count == rest })
        #expect(second.slices.count == 4)
        let cached = composer.sequences.indices.map { (composer.sequences[$0].key.id, composer.takeCachedCount($0)) }
        for (id, count) in cached where [2, 3].contains(id.rawValue) { #expect(count == prompt.count - rest, "\(id)") }
        #expect(composer.hitTokenCount == 2 * (prompt.count - rest))
        Self.complete(second, &composer)
        #expect(composer.sequences.allSatisfy { $0.outputCount > 0 })
    }

    @Test func `slots and budget fit what the runtime takes in a step`() {
        let composer = Self.composer(slots: 500, budget: 500, stepTokenMax: 8)
        var filled = composer
        for id in 1...20 { _ = filled.admit(.greedy(UInt64(id), [TokenID(id), 2]), router: 0, pageLimit: .max) }
        #expect(filled.sequences.count == 7)
        Self.complete(filled.plan(), &filled)
        #expect(filled.plan().tokenCount <= 8)
    }

    /// Commands and steps in any order; the composer is a value, so a refusal can be compared with what was before.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64]) func `every page stays counted once, every step goes on`(
        seed: UInt64
    ) {
        var random = SeededRandom(seed: seed)
        var composer = Self.composer(
            slots: Int.random(in: 1...10, using: &random), budget: Int.random(in: 1...40, using: &random),
            pages: Int.random(in: 2...30, using: &random))
        var id: UInt64 = 0
        for _ in 0..<500 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                id += 1
                let tokens = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                    TokenID.random(in: 0...2, using: &random)
                }
                let before = (composer.sequences.map(\.key), composer.pool.availableCount)
                let priority = Int.random(in: 0...2, using: &random)
                let admission = composer.admit(.greedy(id, tokens, priority: priority), router: 0, pageLimit: .max)
                if admission != .admitted {
                    #expect(composer.sequences.map(\.key) == before.0 && composer.pool.availableCount == before.1)
                }
            case 1:
                if let sequence = composer.sequences.randomElement(using: &random), random.happens(0.3) {
                    let wasThere = composer.remove(sequence.key)
                    #expect(wasThere)
                }
            default:
                let wasRunning = !composer.sequences.isEmpty
                let plan = composer.plan()
                #expect(!wasRunning || !plan.slices.isEmpty || !plan.outgrown.isEmpty)
                #expect(plan.slices.count == plan.places.count && Set(plan.places).count == plan.places.count)
                #expect(plan.tokenCount <= 64)
                Self.complete(plan, &composer)
            }
            #expect(composer.invariantViolation() == nil)
            #expect(composer.sequences.map(\.priority) == composer.sequences.map(\.priority).sorted(by: >))
        }
        composer.removeAll { _ in true }
        #expect(composer.pool.availableCount == composer.pool.pageCount)
    }
}

extension BatchComposer {
    /// A plan of its own.
    mutating func plan() -> StepPlan {
        var plan = StepPlan()
        self.plan(into: &plan)
        return plan
    }
}
