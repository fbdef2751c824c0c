import Engine
import Foundation
import Inference
import Kernels
import Models
import TestSupport
import Testing

/// The promise itself, with the real model: whatever else runs, however prompts are cut, whatever the cache holds, however
/// many threads compute, whatever is guessed ahead: each of two hundred prompts has one digest.
@Suite(.serialized) struct DeterminismTests {
    static let requestCount = 200

    static let modelPath: String = {
        if let path = ProcessInfo.processInfo.environment["APUS_TEST_MODEL"] { return path }
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return root.appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path
    }()

    static func model(threads: Int, pages: Int = 320, _ kvType: KVType = .f16) throws -> Transformer {
        try #require(
            FileManager.default.fileExists(atPath: modelPath),
            "There is no model at \(modelPath): `make model` fetches it, or APUS_TEST_MODEL names another.")
        return try Transformer(
            path: modelPath,
            options: TransformerOptions(
                threadCount: threads, kvMemory: .pages(pages), kvType: kvType, stepTokenMax: 512, contextLength: 512))
    }

    /// Requests of all kinds. A quarter share a beginning that is longer than two pages, a quarter repeat themselves, so
    /// that there is something to guess from; one in three is greedy.
    static func requests(_ model: ModelDescription) -> [AdmittedSequence] {
        var random = SeededRandom(seed: 20)
        func tokens(_ count: Int) -> [TokenID] {
            (0..<count).map { _ in TokenID.random(in: 0..<TokenID(model.vocabularySize), using: &random) }
        }
        let shared = tokens(2 * model.pageTokenCount + 3)
        return (1...requestCount).map { id in
            let prompt: [TokenID]
            switch id % 4 {
            case 0: prompt = shared + tokens(1 + id % 5)
            case 1:
                let phrase = tokens(3 + id % 4)
                prompt = phrase + phrase + phrase + phrase.prefix(2)
            default: prompt = tokens(1 + id % 23)
            }
            var sampling = SamplingParameters()
            sampling.temperature = id % 3 == 0 ? 0 : 0.9
            sampling.topK = id % 5 == 0 ? 0 : 50
            sampling.topP = id % 4 == 0 ? 0.9 : 1
            sampling.repetitionPenalty = id % 6 == 1 ? 1.2 : 1
            sampling.frequencyPenalty = id % 7 == 1 ? 0.5 : 0
            sampling.logprobs = id % 8 == 0 ? 3 : nil
            sampling.promptLogprobs = id % 31 == 7 ? 1 : nil
            sampling.maxTokens = 3 + id % 6
            sampling.seed = random.next()
            return AdmittedSequence(
                id: SequenceID(UInt64(id)), tokens: prompt, promptTokenCount: prompt.count, sampling: sampling)
        }
    }

    static func digest(_ outcome: Outcome?) -> String {
        var digest = Digest()
        if let outcome { digest.feed(outcome) }
        return digest.description
    }

    /// Requests whose outcome differs from the expected one.
    static func differing(
        _ outcomes: [SequenceID: Outcome], from expected: [SequenceID: Outcome]
    ) -> [UInt64] {
        expected.keys.filter { digest(outcomes[$0]) != digest(expected[$0]) }.map(\.rawValue).sorted()
    }

    /// One way to run all requests.
    struct Way: CustomStringConvertible {
        var slots: Int
        var budget: Int
        var isCaching = true
        var isSpeculating = true

        var description: String {
            "\(slots) at once, \(budget) tokens a step, prefix cache \(isCaching), speculation \(isSpeculating)"
        }

        var options: EngineOptions {
            EngineOptions(
                slotCount: slots, stepTokenBudget: budget, prefixCacheEnabled: isCaching,
                speculationEnabled: isSpeculating)
        }
    }

    /// - Parameter seed: of the order in which the requests come.
    static func run(
        _ model: Transformer, _ requests: [AdmittedSequence], _ way: Way, order seed: UInt64 = 1
    ) -> EngineDrive<Transformer> {
        var random = SeededRandom(seed: seed)
        let drive = EngineDrive(running: model, way.options)
        drive.run(requests.shuffled(using: &random))
        return drive
    }

    /// Each alone, at once, cold, on one thread, nothing guessed.
    static func plainly(_ model: Transformer, _ requests: [AdmittedSequence]) -> [SequenceID: Outcome] {
        run(model, requests, Way(slots: 1, budget: 512, isCaching: false, isSpeculating: false)).outcomes
    }

    static func expectSame(
        _ model: Transformer, _ requests: [AdmittedSequence], _ ways: [Way], as expected: [SequenceID: Outcome],
        _ what: String
    ) {
        for (place, way) in ways.enumerated() {
            let drive = run(model, requests, way, order: UInt64(place + 2))
            #expect(differing(drive.outcomes, from: expected) == [], "\(what): \(way)")
            if way.isSpeculating && way.slots < 4 { #expect(drive.loop.statistics.draftCount > 0, "\(way)") }
        }
    }

    @Test func `in any company, cut anyhow, cold or warm, on one thread or two, guessed or not: one digest a prompt`()
        throws
    {
        let one = try Self.model(threads: 1)
        let requests = Self.requests(one.description)
        let expected = Self.plainly(one, requests)
        #expect(expected.count == Self.requestCount)
        #expect(expected.values.allSatisfy { $0.finish != nil && !$0.tokens.isEmpty })
        var all = Digest()
        for request in requests { all.feed(Self.digest(expected[request.id])) }
        print("determinism digest \(all) of \(requests.count) prompts, numerics id \(one.description.numericsID)")

        Self.expectSame(
            one, requests,
            [
                Way(slots: 1, budget: 512), Way(slots: 3, budget: 7, isCaching: false), Way(slots: 16, budget: 1),
            ], as: expected, "one thread")
        let two = try Self.model(threads: 2)
        #expect(two.description.numericsID == one.description.numericsID)
        Self.expectSame(
            two, requests,
            [
                Way(slots: 1, budget: 64, isCaching: false), Way(slots: 2, budget: 64), Way(slots: 3, budget: 512),
                Way(slots: 16, budget: 64, isSpeculating: false), Way(slots: 64, budget: 512, isCaching: false),
                Way(slots: 64, budget: 100),
            ], as: expected, "two threads")

        let warm = Self.run(two, requests, Way(slots: 16, budget: 64))
        let again = requests.map { request in
            AdmittedSequence(
                id: SequenceID(request.id.rawValue + 1000), tokens: request.tokens,
                promptTokenCount: request.promptTokenCount, sampling: request.sampling)
        }
        warm.run(again)
        let second = warm.outcomes.filter { $0.key.rawValue > 1000 }
        let renamed = Dictionary(uniqueKeysWithValues: second.map { (SequenceID($0.key.rawValue - 1000), $0.value) })
        #expect(Self.differing(renamed, from: expected) == [], "with a warm prefix cache")
        #expect(warm.cachedCounts.values.contains { $0 >= 2 * one.description.pageTokenCount })
    }

    @Test func `with a KV cache of bytes, too`() throws {
        let one = try Self.model(threads: 1, .q8)
        let requests = Array(Self.requests(one.description).prefix(100))
        let expected = Self.plainly(one, requests)

        let two = try Self.model(threads: 2, .q8)
        Self.expectSame(
            two, requests, [Way(slots: 2, budget: 64), Way(slots: 64, budget: 7), Way(slots: 16, budget: 512)],
            as: expected, "bytes")

        let f16 = try Self.model(threads: 2)
        #expect(f16.description.numericsID != two.description.numericsID)
        #expect(Self.differing(Self.plainly(f16, requests), from: expected) != [], "the types are not the same")
    }

    @Test func `preempted for want of pages, or continued on another worker: the same bits`() throws {
        let roomy = try Self.model(threads: 2)
        let requests = Self.requests(roomy.description).filter { $0.sampling.promptLogprobs == nil }
        let alone = Self.plainly(roomy, requests)

        // Room for four of the longest, which take another page while they decode.
        let tight = try Self.model(threads: 2, pages: 16)
        let drive = EngineDrive(running: tight, EngineOptions(slotCount: 16, stepTokenBudget: 40))
        var long = requests.filter { $0.id.rawValue % 8 == 0 }
        for place in long.indices { long[place].sampling.maxTokens += 40 }
        drive.run(long)
        #expect(drive.preemptionCount > 0)
        let changed = long.filter { request in
            let before = request.sampling.maxTokens - 40
            return drive.outcomes[request.id].map { Array($0.tokens.prefix(before)) } != alone[request.id]?.tokens
        }
        #expect(changed.map(\.id.rawValue) == [])

        var moved: [AdmittedSequence] = []
        for request in requests {
            guard let whole = alone[request.id], whole.tokens.count > 2 else { continue }
            var continued = request
            continued.tokens += whole.tokens.prefix(1 + Int(request.id.rawValue) % (whole.tokens.count - 1))
            moved.append(continued)
        }
        let elsewhere = Self.run(tight, moved, Way(slots: 4, budget: 9)).outcomes
        let wrong = moved.filter { continued in
            let journal = continued.tokens.dropFirst(continued.promptTokenCount)
            let rest = elsewhere[continued.id]
            return Array(journal) + (rest?.tokens ?? []) != alone[continued.id]?.tokens
                || rest?.finish != alone[continued.id]?.finish
        }
        #expect(wrong.map(\.id.rawValue) == [])
        #expect(moved.count > 100)
    }
}
