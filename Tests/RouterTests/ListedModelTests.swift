import Inference
import Serving
import Testing
import Text

@testable import Router

/// Which tokenizer, chat template and context length a model is listed with, and for how long.
@Suite struct ListedModelTests {
    @Test func `workers that differ in their chat template serve together, by one that a worker there has`() throws {
        let bench = RouterBench(workers: 2, slots: 8, welcomes: false)
        bench.links[0].welcome(try Self.tokenizer(template: "old"))
        bench.links[1].welcome(try Self.tokenizer(template: "new"))
        let requests = (0..<8 as Range<UInt64>).map { GenerationRequest.sample(seed: $0) }
        let running = try requests.map { try bench.submit($0) }
        for _ in 0..<4 { bench.step() }
        #expect(bench.links.allSatisfy { $0.runningCount > 0 })
        #expect(bench.router.models.map(\.tokenizer.spec.chatTemplate) == ["old"])

        bench.links[0].die()

        #expect(bench.router.models.map(\.tokenizer.spec.chatTemplate) == ["new"])
        bench.run { running.allSatisfy(\.isOver) }
        for (receiver, request) in zip(running, requests) {
            #expect(receiver.choices == (try RouterBench.undisturbed(request)).choices)
        }
        bench.links[0].welcome(try Self.tokenizer(template: "old"))
        #expect(bench.router.models.map(\.tokenizer.spec.chatTemplate) == ["new"])
    }

    @Test func `nothing is kept of a tokenizer once no listing, worker or request goes by it`() throws {
        let bench = RouterBench(workers: 2, welcomes: false)
        func welcomeOld() throws -> Weak<Tokenizer> {
            let tokenizer = try Self.tokenizer(template: "old")
            bench.links[0].welcome(tokenizer)
            return Weak(tokenizer)
        }
        let old = try welcomeOld()
        let receiver = try bench.submit(.sample(max: 4))
        bench.run { receiver.isOver }
        bench.links[0].die()
        #expect(old.object != nil)

        bench.links[1].welcome()

        #expect(old.object == nil)
    }

    @Test func `a model is listed with the longest context that a worker has, whoever came first`() {
        let bench = RouterBench(workers: 2, welcomes: false)
        var listed: [Int] { bench.router.models.map(\.contextLength) }
        bench.links[0].welcome(contextLength: 128)
        #expect(listed == [128])
        bench.links[1].welcome(contextLength: 256)
        #expect(listed == [256])

        // It may come back; once all are gone, the next one counts.
        bench.links[1].die()
        #expect(listed == [256])
        bench.links[0].die()
        bench.links[0].welcome(contextLength: 128)
        #expect(listed == [128])
    }

    private static func tokenizer(template: String) throws -> Tokenizer {
        var spec = Oracle.tokenizer.spec
        spec.chatTemplate = template
        return try Tokenizer(spec)
    }
}
