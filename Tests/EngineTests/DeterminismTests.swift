import Engine
import Foundation
import Inference
import Models
import TestSupport
import Testing

/// The promise itself, with the real model: whatever else runs, however prompts are cut, whatever the cache holds and
/// however many threads compute, the same requests give the same bits.
@Suite(.serialized) struct DeterminismTests {
    static let modelPath: String = {
        if let path = ProcessInfo.processInfo.environment["APUS_TEST_MODEL"] { return path }
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return root.appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path
    }()

    static func model(threads: Int, pages: Int) throws -> Transformer {
        try #require(
            FileManager.default.fileExists(atPath: modelPath),
            "There is no model at \(modelPath): `make model` fetches it, or APUS_TEST_MODEL names another.")
        return try Transformer(
            path: modelPath,
            options: TransformerOptions(
                threadCount: threads, kvMemory: .pages(pages), stepTokenMax: 512, contextLength: 512))
    }

    /// Sixteen requests of all kinds; half share a beginning that is longer than two pages.
    static func requests(_ model: ModelDescription) -> [AdmittedSequence] {
        var random = SeededRandom(seed: 20)
        func tokens(_ count: Int) -> [TokenID] {
            (0..<count).map { _ in TokenID.random(in: 0..<TokenID(model.vocabularySize), using: &random) }
        }
        let shared = tokens(2 * model.pageTokenCount + 3)
        return (1...16).map { id in
            let prompt = (id % 2 == 0 ? shared : []) + tokens(1 + id * 2)
            var sampling = SamplingParameters()
            sampling.temperature = id % 3 == 0 ? 0 : 0.9
            sampling.topK = id % 5 == 0 ? 0 : 50
            sampling.topP = id % 4 == 0 ? 0.9 : 1
            sampling.repetitionPenalty = id % 6 == 1 ? 1.2 : 1
            sampling.frequencyPenalty = id % 7 == 1 ? 0.5 : 0
            sampling.logprobs = id % 8 == 0 ? 3 : nil
            sampling.promptLogprobs = id == 7 ? 1 : nil
            sampling.maxTokens = 6 + id % 7
            sampling.seed = random.next()
            return AdmittedSequence(
                id: SequenceID(UInt64(id)), tokens: prompt, promptTokenCount: prompt.count, sampling: sampling)
        }
    }

    static func digest(_ outcomes: [SequenceID: Outcome]) -> String {
        var digest = Digest()
        for (id, outcome) in outcomes.sorted(by: { $0.key < $1.key }) {
            digest.feed(id)
            digest.feed(outcome)
        }
        return digest.description
    }

    /// - Parameter threads: the model's; a model is loaded once and its pages are left as the last run left them.
    static func run(
        _ model: Transformer, _ requests: [AdmittedSequence], slots: Int = 16, budget: Int, isCaching: Bool = true
    ) -> EngineDrive<Transformer> {
        var drive = EngineDrive(
            running: model,
            EngineOptions(slotCount: slots, stepTokenBudget: budget, prefixCacheEnabled: isCaching))
        drive.run(requests)
        return drive
    }

    @Test func `alone or sixteen at once, cut anyhow, cold or warm, on one thread or two: one digest`() throws {
        let one = try Self.model(threads: 1, pages: 256)
        let requests = Self.requests(one.description)
        let alone = Self.run(one, requests, slots: 1, budget: 512, isCaching: false).outcomes
        let expected = Self.digest(alone)
        print("determinism digest \(expected)")
        #expect(alone.count == 16 && alone.values.allSatisfy { $0.finish != nil && !$0.tokens.isEmpty })

        for budget in [1, 7, 64, 512] {
            let batch = Self.run(one, requests, budget: budget).outcomes
            #expect(Self.digest(batch) == expected, "16 at once, \(budget) tokens a step")
        }

        var warm = Self.run(one, requests, budget: 64)
        let again = requests.map { request in
            AdmittedSequence(
                id: SequenceID(request.id.rawValue + 100), tokens: request.tokens,
                promptTokenCount: request.promptTokenCount, sampling: request.sampling)
        }
        warm.run(again)
        let second = warm.outcomes.filter { $0.key.rawValue > 100 }
        let renamed = Dictionary(uniqueKeysWithValues: second.map { (SequenceID($0.key.rawValue - 100), $0.value) })
        #expect(Self.digest(renamed) == expected, "with a warm prefix cache")
        #expect(warm.cachedCounts.values.contains { $0 >= 2 * one.description.pageTokenCount })

        let two = try Self.model(threads: 2, pages: 256)
        #expect(two.description.numericsID == one.description.numericsID)
        for (slots, budget) in [(1, 512), (16, 64), (16, 512)] {
            let batch = Self.run(two, requests, slots: slots, budget: budget).outcomes
            #expect(Self.digest(batch) == expected, "two threads, \(slots) at once, \(budget) tokens a step")
        }
    }

    @Test func `preempted for want of pages, or continued on another worker: the same bits`() throws {
        let roomy = try Self.model(threads: 1, pages: 256)
        let requests = Self.requests(roomy.description).filter { $0.sampling.promptLogprobs == nil }
        let alone = Self.run(roomy, requests, slots: 1, budget: 512, isCaching: false).outcomes

        // Room for four of the longest, which take their third or fourth page while they decode.
        let tight = try Self.model(threads: 2, pages: 16)
        var drive = EngineDrive(running: tight, EngineOptions(slotCount: 16, stepTokenBudget: 40))
        var long = requests
        for place in long.indices { long[place].sampling.maxTokens += 40 }
        drive.run(long)
        #expect(drive.preemptionCount > 0)
        for request in requests {
            let start = drive.outcomes[request.id]?.tokens.prefix(request.sampling.maxTokens) ?? []
            #expect(Array(start) == alone[request.id]?.tokens)
        }

        var moved: [AdmittedSequence] = []
        for request in requests {
            guard let whole = alone[request.id], whole.tokens.count > 2 else { continue }
            var continued = request
            continued.tokens += whole.tokens.prefix(1 + Int(request.id.rawValue) % (whole.tokens.count - 1))
            moved.append(continued)
        }
        let elsewhere = Self.run(tight, moved, slots: 4, budget: 9).outcomes
        for continued in moved {
            let journal = continued.tokens.dropFirst(continued.promptTokenCount)
            let whole = Array(journal) + (elsewhere[continued.id]?.tokens ?? [])
            #expect(
                whole == alone[continued.id]?.tokens && elsewhere[continued.id]?.finish == alone[continued.id]?.finish)
        }
        #expect(moved.count > 10)
    }
}
