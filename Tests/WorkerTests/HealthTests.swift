import Engine
import HTTP
import Inference
import Logging
import Models
import NIOCore
import NIOPosix
import Telemetry
import TestSupport
import Testing
import WorkerProtocol

@testable import Worker

@Suite(.timeLimit(.minutes(1))) struct HealthTests {
    @Test func `a hung engine turns unhealthy, and well again when it moves`() async throws {
        let rig = try await WorkerRig.start { $0.stallSeconds = 3600 }
        let (router, _) = try await RouterEnd.linked(rig)
        #expect(rig.service.health.isReady)
        try await Self.hang(rig, router)

        rig.clock.advance(bySeconds: 3000)
        #expect(rig.service.health.isAlive)
        rig.clock.advance(bySeconds: 1000)
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
    static func hang(_ rig: WorkerRig, _ router: RouterEnd, maxTokens: Int = 3) async throws {
        let (held, continuation) = AsyncStream.makeStream(of: Void.self)
        rig.gate.close { continuation.yield() }
        try await router.admit(1, [1], maxTokens: maxTokens)
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
        let probe = try await HealthProbe(rig)
        try await probe.watch("")
        #expect(await probe.next() == .serving)

        try await Self.hang(rig, router)
        rig.clock.advance(bySeconds: 100)
        #expect(await probe.next() == .notServing)
        rig.gate.open()
        #expect(await probe.next() == .serving)
        await rig.service.stop()
    }

    @Test(arguments: ["", "apus.worker.v1.Worker", "liveness"]) func `probes by gRPC find their services`(
        service: String
    ) async throws {
        let rig = try await WorkerRig.start()
        let probe = try await HealthProbe(rig)

        try await probe.check(service)

        #expect(await probe.next() == .serving)
        await rig.service.stop()
    }

    @Test func `a probe of a service that is not here is told so`() async throws {
        let rig = try await WorkerRig.start()
        let probe = try await HealthProbe(rig)

        try await probe.check("somebody")

        #expect(await probe.next() == .ended(.notFound))
        await rig.service.stop()
    }

    @Test func `a worker that is loading listens, and serves nobody yet`() async throws {
        let gate = Gate()
        let (held, continuation) = AsyncStream.makeStream(of: Void.self)
        gate.close { continuation.yield() }
        let port = try freePort()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        async let starting = WorkerService.start(
            WorkerRig.options { $0.port = port }, eventLoop: loop, registry: MetricRegistry(), logger: WorkerRig.quiet
        ) {
            gate.pass()
            return LoadedModel(runtime: ScriptedRuntime(gate: Gate()), tokenizer: WorkerRig.tokenizer)
        }
        var iterator = held.makeAsyncIterator()
        _ = await iterator.next()

        let readiness = try await HealthProbe(loop, port: port)
        try await readiness.watch("")
        #expect(await readiness.next() == .notServing)
        let liveness = try await HealthProbe(loop, port: port)
        try await liveness.check("liveness")
        #expect(await liveness.next() == .serving)
        let router = try await RouterEnd(loop, port: port)
        try await router.say(.hello(RouterHello(router: "early", epoch: 1)))
        #expect(try await router.end() == LinkRefusal.loading.status)

        gate.open()
        let service = try await starting
        #expect(service.health.phase == .serving)
        #expect(await readiness.next() == .serving)
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
