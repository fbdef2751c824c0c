import HTTP
import Inference
import Synchronization
import Testing
import WorkerProtocol

@testable import Worker

@Suite(.timeLimit(.minutes(1))) struct DrainTests {
    @Test func `a draining worker tells its routers, and stops when they have moved their sequences`() async throws {
        let rig = try await WorkerRig.start(pageCount: 4096) { $0.drainSeconds = 3600 }
        let (router, _) = try await RouterEnd.linked(rig)
        try await HealthTests.hang(rig, router, maxTokens: 10_000)
        async let drained: Void = rig.service.drain()
        // Of these steps one has seen the drain when it begins; the next is held up until the router has answered.
        var isTold = false
        while !isTold {
            rig.gate.allow(steps: 1)
            isTold = try await router.next { event in
                switch event {
                case .draining: true
                case .step: false
                default: nil
                }
            }
        }
        #expect(!rig.service.health.isReady)
        #expect(rig.service.health.isAlive)
        try await router.say(.command(.preempt(SequenceID(1))))
        rig.gate.open()
        let preempted = try await router.next { event -> SequenceID? in
            if case .preempted(let id) = event { id } else { nil }
        }

        #expect(preempted == SequenceID(1))
        #expect(try await router.end().code == .unavailable)
        await drained
        await rig.service.waitUntilStopped()
    }

    @Test func `a worker whose model is no longer what it loaded ends, and says nothing more`() async throws {
        let file = ModelOnDisk()
        let rig = try await WorkerRig.start(pageCount: 4096, file: file)
        let (router, _) = try await RouterEnd.linked(rig)
        try await HealthTests.hang(rig, router, maxTokens: 10_000)
        #expect(!rig.service.modelWasLost)

        file.isIntact.store(false, ordering: .relaxed)

        #expect(try await router.end().code == .unavailable)
        rig.gate.open()
        await rig.service.waitUntilStopped()
        #expect(rig.service.modelWasLost)
    }

    @Test func `what still runs at the deadline is given back`() async throws {
        let rig = try await WorkerRig.start(pageCount: 4096) { $0.drainSeconds = 0 }
        let (router, _) = try await RouterEnd.linked(rig)
        try await HealthTests.hang(rig, router, maxTokens: 10_000)
        async let drained: Void = rig.service.drain()

        // A step at a time: ten thousand of them could be over before the drain begins.
        var givenBack: SequenceID?
        while givenBack == nil {
            rig.gate.allow(steps: 1)
            givenBack = try await router.next { event -> SequenceID?? in
                switch event {
                case .preempted(let id), .refused(let id): .some(id)
                case .step: .some(nil)
                default: nil
                }
            }
        }

        #expect(givenBack == SequenceID(1))
        rig.gate.open()
        #expect(try await router.end().code == .unavailable)
        await drained
    }

    @Test func `an idle worker stops at once`() async throws {
        let rig = try await WorkerRig.start { $0.drainSeconds = 3600 }

        await rig.service.drain()

        #expect(rig.service.health.phase == .draining)
    }

    @Test func `a drain that a router asks for ends the worker too`() async throws {
        let rig = try await WorkerRig.start()
        let (router, _) = try await RouterEnd.linked(rig)

        try await router.say(.command(.drain(deadlineSeconds: 10)))

        #expect(try await router.next { $0 == .draining ? true : nil })
        #expect(try await router.end().code == .unavailable)
        await rig.service.waitUntilStopped()
    }

    @Test func `a draining worker links nobody`() async throws {
        let rig = try await WorkerRig.start { $0.drainSeconds = 3600 }
        let (router, _) = try await RouterEnd.linked(rig)
        try await HealthTests.hang(rig, router, maxTokens: 10_000)
        async let drained: Void = rig.service.drain()
        while rig.service.health.phase != .draining { await Task.yield() }
        let late = try await RouterEnd(rig)

        try await late.say(.hello(RouterHello(router: "late", epoch: 1)))

        #expect(try await late.end() == LinkRefusal.draining.status)
        rig.gate.open()
        try await router.leave()
        await drained
    }
}
