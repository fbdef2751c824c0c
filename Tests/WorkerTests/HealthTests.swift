import Engine
import HTTP
import Inference
import Logging
import Models
import NIOCore
import NIOPosix
import Telemetry
import Testing
import WorkerProtocol

@testable import Worker

@Suite(.timeLimit(.minutes(1))) struct HealthTests {
    @Test func `a hung engine turns unhealthy, and well again when it moves`() async throws {
        let rig = try await WorkerRig.start { $0.stallSeconds = 30 }
        let (router, _) = try await RouterEnd.linked(rig)
        #expect(rig.service.health.isReady)
        try await Self.hang(rig, router)

        rig.clock.advance(bySeconds: 29)
        #expect(rig.service.health.isAlive)
        rig.clock.advance(bySeconds: 2)
        #expect(!rig.service.health.isAlive)
        #expect(!rig.service.health.isReady)

        rig.gate.open()
        _ = try await router.tokens(of: 1)
        #expect(rig.service.health.isReady)
        await rig.service.stop()
    }

    @Test func `an idle engine owes nothing, however long`() async throws {
        let rig = try await WorkerRig.start()

        rig.clock.advance(bySeconds: 1_000_000)

        #expect(rig.service.health.isReady)
        await rig.service.stop()
    }

    /// Waits until a step stands before the closed gate.
    static func hang(_ rig: WorkerRig, _ router: RouterEnd) async throws {
        let (held, continuation) = AsyncStream.makeStream(of: Void.self)
        rig.gate.close { continuation.yield() }
        try await router.admit(1, [1], maxTokens: 3)
        var iterator = held.makeAsyncIterator()
        _ = await iterator.next()
    }

    static let rules = HealthRules(stallSeconds: 30)

    @Test(arguments: [(29, 0, true), (31, 0, false), (31, 2, true), (41, 2, false)] as [(Int64, Double, Bool)])
    func `slow steps earn patience`(stalled: Int64, slowest: Double, isAlive: Bool) {
        let progress = EngineProgress(stepCount: 9, runningCount: 1, lastProgress: Instant(nanoseconds: 0))
        let now = Instant(nanoseconds: stalled * 1_000_000_000)

        #expect(Self.rules.isAlive(progress, slowestStepSeconds: slowest, now: now) == isAlive)
    }

    @Test func `watchers hear the state at once and each change of it`() async throws {
        let rig = try await WorkerRig.start()
        let (router, _) = try await RouterEnd.linked(rig)
        let (stream, continuation) = AsyncStream.makeStream(of: HealthStatus.self)
        let desk = rig.service.desk
        try await rig.eventLoop.submit { _ = desk.value.watchers.watch("") { continuation.yield($0) } }.get()
        var heard = stream.makeAsyncIterator()
        #expect(await heard.next() == .serving)

        try await Self.hang(rig, router)
        rig.clock.advance(bySeconds: 100)
        #expect(await heard.next() == .notServing)
        rig.gate.open()
        #expect(await heard.next() == .serving)
        await rig.service.stop()
        #expect(await heard.next() == .notServing)
    }

    @Test func `a worker that is loading listens, and serves nobody yet`() async throws {
        let gate = Gate()
        gate.close()
        async let starting = WorkerService.start(
            WorkerRig.options(), eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
            registry: MetricRegistry(), logger: WorkerRig.quiet
        ) {
            gate.pass()
            return LoadedModel(runtime: ScriptedRuntime(gate: Gate()), tokenizer: WorkerRig.tokenizer)
        }
        gate.open()
        let service = try await starting
        #expect(service.health.phase == .serving)
        await service.stop()
    }

    struct Broken: Error, CustomStringConvertible {
        var description: String { "The file is not a model." }
    }

    @Test func `a model that does not load is a sentence, and the ports are free again`() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        do {
            _ = try await WorkerService.start(
                WorkerRig.options(), eventLoop: loop, registry: MetricRegistry(), logger: WorkerRig.quiet
            ) { throw Broken() }
            Issue.record("it started")
        } catch {
            #expect(error.description == "The file is not a model.")
        }
    }

    @Test func `a port in use is a sentence that names it`() async throws {
        let rig = try await WorkerRig.start()
        let taken = rig.service.port
        do {
            _ = try await WorkerRig.start { $0.port = taken }
            Issue.record("it started")
        } catch let error as WorkerStartError {
            #expect(error.description.contains("Port \(taken)"))
        }
        await rig.service.stop()
    }
}
