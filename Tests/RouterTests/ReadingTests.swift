import Inference
import Scheduling
import Serving
import Testing

@testable import Router

/// Texts that are read as wholes, through queue, workers and journal.
@Suite struct ReadingTests {
    static func request(_ texts: Int, tokens: Int = 20) -> GenerationRequest {
        var request = GenerationRequest.sample(max: 0)
        request.prompts = (0..<texts).map { text in (0..<tokens + text % 7).map { TokenID(3 + (text + $0) % 200) } }
        request.pooling = Array(repeating: Pooling(), count: texts)
        return request
    }

    static func expectWhole(_ receiver: RecordingReceiver, _ request: GenerationRequest) {
        #expect(receiver.failure == nil)
        for (index, prompt) in request.prompts.enumerated() {
            #expect(receiver.choices[index]?.pooled == Oracle.pooled(prompt, size: 5))
            #expect(receiver.choices[index]?.finish == .stop(nil))
        }
        let tokens = request.prompts.reduce(0) { $0 + $1.count }
        #expect(receiver.usage == Usage(promptTokens: tokens, completionTokens: 0, cachedTokens: 0))
        #expect(receiver.lateEvents == 0)
    }

    @Test func `every text gets its own vector, however many share the workers' slots`() throws {
        let bench = RouterBench(workers: 2, slots: 3, pooledOutput: .vector(size: 5))
        let request = Self.request(50)

        let receiver = try bench.submit(request)
        bench.run { receiver.isOver }

        Self.expectWhole(receiver, request)
        #expect(bench.links.allSatisfy { $0.admissions.count > 5 })
        #expect(bench.router.scheduler.invariantViolation() == nil)
    }

    @Test(arguments: ["die", "preempt", "drain"])
    func `a worker's trouble leaves no trace in vectors either`(_ trouble: String) throws {
        let bench = RouterBench(workers: 2, slots: 4, pooledOutput: .vector(size: 5))
        let request = Self.request(24)

        let receiver = try bench.submit(request)
        bench.step()
        let victim = try #require(bench.links.first { $0.runningCount > 0 })
        switch trouble {
        case "die": victim.die()
        case "preempt": victim.preemptAll()
        default: victim.announceDraining()
        }
        bench.run { receiver.isOver }

        Self.expectWhole(receiver, request)
        let texts = request.prompts.count
        #expect(bench.links.reduce(0) { $0 + $1.admissions.count } > texts || trouble == "drain")
        #expect(bench.router.scheduler.invariantViolation() == nil)
    }

    @Test func `who cancels frees the workers, and hears nothing more`() throws {
        let bench = RouterBench(workers: 1, slots: 2, pooledOutput: .vector(size: 5))
        let receiver = RecordingReceiver()
        let id = try bench.router.submit(Self.request(8, tokens: 60), receiver: receiver)
        bench.step()
        let count = receiver.eventCount

        bench.router.cancel(id)
        for _ in 0..<10 { bench.step() }

        #expect(receiver.eventCount == count)
        #expect(bench.links[0].runningCount == 0)
        #expect(bench.router.openRequestCount == 0)
    }

    @Test func `a model is asked for what it does, and for nothing else`() throws {
        let reads = RouterBench(workers: 1, pooledOutput: .vector(size: 5))
        let generates = RouterBench(workers: 1)
        var uneven = Self.request(2)
        uneven.pooling = [Pooling()]

        for (bench, request) in [(reads, GenerationRequest.sample()), (generates, Self.request(1)), (reads, uneven)] {
            let error = #expect(throws: ServeError.self) { try bench.submit(request) }
            guard case .invalidRequest(_, let parameter)? = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(parameter == "model")
        }
    }

    @Test func `a text may fill the model's context, and may not pass it`() throws {
        let bench = RouterBench(workers: 1, pooledOutput: .score)
        bench.links[0].prefillBudget = 600

        let fitting = try bench.submit(Self.request(1, tokens: 512))
        bench.run { fitting.isOver }

        #expect(fitting.choices[0]?.pooled?.count == 1)
        #expect(throws: ServeError.contextExceeded(promptTokens: 513, maxTokens: nil, contextLength: 512)) {
            try bench.submit(Self.request(1, tokens: 513))
        }
    }
}
