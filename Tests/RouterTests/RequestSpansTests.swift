import Inference
import Scheduling
import Serving
import Telemetry
import Testing

@testable import Router

/// Collects spans.
final class RecordingTracer: SpanReceiver {
    private(set) var spans: [Span] = []
    private var words: UInt64 = 100

    func spanEnded(_ span: Span) { spans.append(span) }

    var tracer: Tracer {
        Tracer(self) {
            self.words += 1
            return self.words
        }
    }

    func named(_ name: String) -> [Span] { spans.filter { $0.name == name } }
}

/// What a request leaves in a trace when all goes well, and when it does not.
@Suite struct RequestSpansTests {
    static func traced(_ request: GenerationRequest, isSampled: Bool = true) throws -> GenerationRequest {
        let caller = try #require(
            TraceContext(
                parents: ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\(isSampled ? 1 : 0)"],
                states: ["vendor=x"]))
        let (context, parent) = TraceSampling(share: 0).begin(caller: caller, randomWord: { 42 })
        var request = request
        request.trace = RequestTrace(context: context, parentID: parent, operation: "chat")
        return request
    }

    @Test func `a calm request has a root, a wait and an attempt`() throws {
        let recording = RecordingTracer()
        let bench = RouterBench(workers: 1, tracer: recording.tracer)
        let receiver = try bench.submit(try Self.traced(.sample(max: 10)))
        bench.run { receiver.isOver }

        #expect(recording.spans.map(\.name) == ["queue", "attempt", "chat m"])
        let root = try #require(recording.named("chat m").first)
        #expect(root.context.traceID.description == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(root.context.state == "vendor=x" && root.context.spanID == SpanID(42))
        #expect(root.parentID?.description == "00f067aa0ba902b7" && root.kind == .server && root.status == .unset)
        #expect(root[.operation] == .text("chat") && root[.requestModel] == .text("m"))
        #expect(root[.inputTokens] == .integer(3) && root[.outputTokens] == .integer(10))
        #expect(root[.maxTokens] == .integer(10) && root[.finishReasons] == .texts(["length"]))
        #expect(root[.outcome] == .text("completed") && root[.errorType] == nil && root[.moves] == .integer(0))
        for span in recording.spans.dropLast() {
            #expect(span.parentID == SpanID(42) && span.context.traceID == root.context.traceID)
            #expect(span.startedAt >= root.startedAt && span.endedAt <= root.endedAt)
        }
        let attempt = try #require(recording.named("attempt").first)
        #expect(bench.links[0].admissions[0].trace == attempt.context, "the worker's spans are below the attempt")
    }

    @Test func `a killed worker's attempt is an error of a trace that goes on elsewhere`() throws {
        let recording = RecordingTracer()
        let bench = RouterBench(workers: 2, tracer: recording.tracer)
        let receiver = try bench.submit(try Self.traced(.sample(max: 30)))
        for _ in 0..<8 { bench.step() }
        try #require(bench.links.first { $0.runningCount > 0 }).die()
        bench.run { receiver.isOver }

        #expect(recording.spans.map(\.name) == ["queue", "attempt", "queue", "attempt", "chat m"])
        let attempts = recording.named("attempt")
        #expect(attempts[0].status == .failed("worker_lost") && attempts[0][.errorType] == .text("worker_lost"))
        #expect(attempts[1].status == .unset && attempts[1][.attempt] == .integer(2))
        #expect(attempts[0][.serverAddress] != attempts[1][.serverAddress])
        #expect(attempts[0][.resumedTokens] == .integer(0))
        guard case .integer(let resumed) = attempts[1][.resumedTokens] else { return #expect(Bool(false)) }
        #expect((1..<30).contains(resumed))
        #expect(Set(recording.spans.map(\.context.traceID)).count == 1)
        #expect(Set(recording.spans.map(\.context.spanID)).count == 5)
        #expect(bench.links.flatMap(\.admissions).compactMap(\.trace?.spanID) == attempts.map(\.context.spanID))
        let root = try #require(recording.spans.last)
        #expect(root[.moves] == .integer(1) && root.status == .unset && root[.outputTokens] == .integer(30))
    }

    @Test func `a preempted attempt is no error`() throws {
        let recording = RecordingTracer()
        let bench = RouterBench(workers: 2, tracer: recording.tracer)
        let receiver = try bench.submit(try Self.traced(.sample(max: 30)))
        for _ in 0..<8 { bench.step() }
        try #require(bench.links.first { $0.runningCount > 0 }).preemptAll()
        bench.run { receiver.isOver }

        #expect(recording.named("attempt").map(\.status) == [.unset, .unset])
        #expect(recording.named("attempt").map { $0[.moveCause] } == [.text("preempted"), nil])
    }

    @Test func `every choice has its attempt, and a cancelled request ends them`() throws {
        let recording = RecordingTracer()
        let bench = RouterBench(workers: 1, slots: 2, tracer: recording.tracer)
        let receiver = RecordingReceiver()
        let id = try bench.router.submit(try Self.traced(.sample(max: 300, choices: 3)), receiver: receiver)
        for _ in 0..<8 { bench.step() }
        bench.router.cancel(id)

        #expect(recording.named("attempt").map { $0[.choice] } == [.integer(0), .integer(1)])
        #expect(recording.named("queue").map { $0[.choice] } == [.integer(0), .integer(1), .integer(2)])
        #expect(recording.spans.last?[.outcome] == .text("cancelled"))
        #expect(recording.spans.last?.status == .unset)
    }

    @Test func `a request that is refused or times out is an error`() throws {
        let recording = RecordingTracer()
        var options = RouterOptions()
        options.scheduling.queueTimeoutSeconds = 0.1
        let bench = RouterBench(workers: 1, slots: 1, options: options, tracer: recording.tracer)
        var unknown = try Self.traced(.sample())
        unknown.model = "nobody"
        #expect(throws: ServeError.self) { try bench.submit(unknown) }
        let running = try bench.submit(.sample(max: 400))
        bench.step()
        let late = try bench.submit(try Self.traced(.sample()))
        bench.run(until: { late.isOver }, steps: 300)

        #expect(!running.isOver && late.failure != nil)
        #expect(recording.spans.map(\.name) == ["chat nobody", "queue", "chat m"])
        #expect(recording.spans[0].status == .failed("model_not_found"))
        #expect(recording.spans[2].status == .failed("timed_out"))
        #expect(recording.spans[2][.errorType] == .text("timed_out"))
    }

    @Test func `what is not sampled, or where nobody traces, leaves nothing and tells workers nothing`() throws {
        let recording = RecordingTracer()
        for (tracer, isSampled) in [(recording.tracer, false), (nil, true)] as [(Tracer?, Bool)] {
            let bench = RouterBench(workers: 1, tracer: tracer)
            let receiver = try bench.submit(try Self.traced(.sample(), isSampled: isSampled))
            bench.run { receiver.isOver }
            #expect(bench.links[0].admissions.count == 1 && bench.links[0].admissions[0].trace == nil)
        }
        #expect(recording.spans.isEmpty)
    }
}
