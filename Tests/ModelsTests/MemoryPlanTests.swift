import Models
import TestSupport
import Testing
import Weights

@Suite struct MemoryPlanTests {
    static let plenty = MachineLimits(cpuCount: 2, availableMemory: 1 << 40)

    static func plan(
        _ model: RandomModel, _ options: TransformerOptions, _ limits: MachineLimits = plenty
    ) throws -> MemoryPlan {
        let source = try TemporaryFile(model.writer().bytes())
        let file = try GGUFFile(path: source.path)
        return try MemoryPlan(ModelSpec(file), file, options: options, limits: limits)
    }

    @Test func `a page holds keys and values of 32 tokens in f16, for all layers and heads`() throws {
        let plan = try Self.plan(RandomModel(), TransformerOptions(kvMemory: .pages(7)))

        // 2 layers × 2 kv heads × 16 numbers × 32 tokens × K and V × 2 bytes
        #expect(plan.kvPageByteCount == 2 * 2 * 16 * 32 * 2 * 2)
        #expect(plan.pageTokenCount == 32)
        #expect(plan.pageCount == 7)
        #expect(plan.kvByteCount == 7 * plan.kvPageByteCount)
        #expect(plan.totalByteCount == plan.weightByteCount + plan.kvByteCount + plan.activationByteCount)
    }

    @Test func `repacked weights take the file's bytes, padded to whole panels`() throws {
        var model = RandomModel()
        model.type = .q8_0
        // All rows but the vocabulary's 100 are multiples of 32; those take 128.
        let layer = (64 + 32 + 32 + 64 + 64 + 64 + 64) * 2
        let expected = (2 * layer + 128 * 2) * 34

        #expect(try Self.plan(model, TransformerOptions()).weightByteCount == expected)
    }

    @Test func `pages come from bytes, or from sequences within a share of what is left`() throws {
        let model = RandomModel()
        let page = 8_192
        #expect(try Self.plan(model, TransformerOptions(kvMemory: .bytes(10 * page + 1))).pageCount == 10)
        // Four sequences of 128 tokens need 16 pages.
        #expect(try Self.plan(model, TransformerOptions(kvMemory: .sequences(4, share: 0.5))).pageCount == 16)
        #expect(
            try Self.plan(model, TransformerOptions(kvMemory: .sequences(4, share: 1), contextLength: 64)).pageCount
                == 8)

        let fixed = try Self.plan(model, TransformerOptions(kvMemory: .pages(1)))
        let tight = MachineLimits(cpuCount: 2, availableMemory: fixed.totalByteCount - page + 12 * page)
        #expect(try Self.plan(model, TransformerOptions(kvMemory: .sequences(4, share: 0.5)), tight).pageCount == 6)
    }

    @Test func `a sequence never gets longer than the pages there are`() throws {
        let options = TransformerOptions(kvMemory: .pages(2))
        #expect(try Self.plan(RandomModel(), options).contextLength == 64)
        #expect(try Self.plan(RandomModel(), TransformerOptions(contextLength: 50)).contextLength == 50)
        #expect(throws: ModelError.self) { try Self.plan(RandomModel(), TransformerOptions(contextLength: 129)) }
    }

    @Test func `too little memory is refused with what is needed, what is there and what to change`() throws {
        let whole = try Self.plan(RandomModel(), TransformerOptions(kvMemory: .pages(1000)))
        let limits = MachineLimits(
            cpuCount: 1, availableMemory: whole.totalByteCount - 1, memorySource: .controlGroup(limit: 1 << 30))
        let error = #expect(throws: ModelError.self) {
            try Self.plan(RandomModel(), TransformerOptions(threadCount: 2, kvMemory: .pages(1000)), limits)
        }
        let text = error?.description ?? ""
        #expect(text.contains("control group's limit of 1024 MiB"))
        #expect(text.contains("set kv-memory to at most"))

        let parted = MachineLimits(cpuCount: 1, availableMemory: whole.totalByteCount * 3 - 1).shared(among: 3)
        let one = #expect(throws: ModelError.self) {
            try Self.plan(RandomModel(), TransformerOptions(threadCount: 2, kvMemory: .pages(1000)), parted)
        }
        #expect(one?.description.contains("for each of 3 workers") == true)

        let none = MachineLimits(cpuCount: 1, availableMemory: 1000)
        let hopeless = #expect(throws: ModelError.self) { try Self.plan(RandomModel(), TransformerOptions(), none) }
        #expect(hopeless?.description.contains("this machine has 1 MiB available") == true)
        #expect(hopeless?.description.contains("give it at least") == true)
    }

    @Test func `threads are those asked for, else the CPUs there are`() throws {
        #expect(try Self.plan(RandomModel(), TransformerOptions()).threadCount == 2)
        #expect(try Self.plan(RandomModel(), TransformerOptions(threadCount: 5)).threadCount == 5)
    }
}
