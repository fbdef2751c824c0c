import HTTP
import Inference
import Models
import Testing
import WorkerProtocol

@testable import Worker

@Suite(.timeLimit(.minutes(1))) struct LinkTests {
    @Test func `a router is welcomed with the worker's description and its share`() async throws {
        let rig = try await WorkerRig.start()

        var (_, description) = try await RouterEnd.linked(rig)
        description.tokenizerDigest = nil

        #expect(
            description
                == WorkerDescription(
                    model: "served", numericsID: "script-1", epoch: 77, slotCount: 8, pageCount: 64, pageTokenCount: 4,
                    contextLength: 256, vocabularySize: 50, stepTokenBudget: 128))
        await rig.service.stop()
    }

    @Test func `routers are told when another chat template makes another tokenizer`() async throws {
        let templates = [nil, "old", "new", "old"]
        var digests: [UInt64?] = []
        for template in templates {
            let rig = try await WorkerRig.start(chatTemplate: template)
            digests.append(try await RouterEnd.linked(rig).1.tokenizerDigest)
            await rig.service.stop()
        }

        #expect(!digests.contains(nil) && Set(digests).count == 3)
        #expect(digests[1] == digests[3])
    }

    @Test func `an admitted sequence comes back token by token and finishes`() async throws {
        let rig = try await WorkerRig.start()
        let (router, _) = try await RouterEnd.linked(rig)

        try await router.admit(5, [3, 4, 5], maxTokens: 20)

        let (tokens, finish) = try await router.tokens(of: 5)
        #expect(tokens == ScriptedRuntime.continuation(of: [3, 4, 5], count: 20))
        #expect(finish == .length)
        await rig.service.stop()
    }

    @Test func `a router is told that a long step moves`() async throws {
        let pulse = Pulse()
        let rig = try await WorkerRig.start(pulse: pulse)
        let (router, description) = try await RouterEnd.linked(rig)
        #expect(description.signSeconds == 0.2)
        try await HealthTests.hang(rig, router)

        let moves = Task {
            while !Task.isCancelled {
                pulse.beat()
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
        for _ in 0..<3 {
            let event = try await router.next { event -> WorkerEvent? in
                if case .prefix = event { nil } else { event }
            }
            #expect(event == .working)
        }
        moves.cancel()

        rig.gate.open()
        #expect(try await router.tokens(of: 1).finish == .length)
        await rig.service.stop()
    }

    @Test func `what resumes is said to have come before a step has seen it, and nothing else is`() async throws {
        let rig = try await WorkerRig.start()
        let (router, _) = try await RouterEnd.linked(rig)
        try await HealthTests.hang(rig, router)

        for (id, resumes) in [(2, false), (3, true), (4, false), (5, true)] as [(UInt64, Bool)] {
            try await router.admit(id, [3, 4], maxTokens: 2, resumes: resumes)
        }

        // Command 1 is what hangs.
        for commands in [3, 5] as [UInt64] {
            let event = try await router.next { event -> WorkerEvent? in
                switch event {
                case .prefix, .credit: nil
                default: event
                }
            }
            #expect(event == .taken(commands: commands))
        }
        rig.gate.open()
        #expect(try await router.tokens(of: 5).finish == .length)
        await rig.service.stop()
    }

    @Test func `reports count the commands they have seen, anew on each link`() async throws {
        let rig = try await WorkerRig.start()
        for epoch in 1...3 as ClosedRange<UInt64> {
            let (router, _) = try await RouterEnd.linked(rig, epoch: epoch)
            for id in 1...3 as ClosedRange<UInt64> {
                try await router.admit(id, [1], maxTokens: 1)
                let seen = try await router.next { event -> UInt64? in
                    guard case .step(let report) = event, report.entries.contains(where: { $0.finish != nil }) else {
                        return nil
                    }
                    return report.commandsSeen
                }
                #expect(seen == id)
            }
            try await router.leave()
        }
        await rig.service.stop()
    }

    @Test func `a cancelled sequence frees its slot and is not heard of again`() async throws {
        let rig = try await WorkerRig.start(pageCount: 4096)
        let (router, _) = try await RouterEnd.linked(rig)
        try await HealthTests.hang(rig, router, maxTokens: 10_000)
        try await router.admit(2, [2], maxTokens: 200)
        try await router.say(.command(.cancel(SequenceID(1))))
        rig.gate.open()

        var isOver = false
        while !isOver {
            let report = try await router.next { if case .step(let report) = $0 { report } else { nil } }
            isOver = report.entries.contains { $0.sequence == SequenceID(2) && $0.finish != nil }
            guard report.commandsSeen >= 3 else { continue }
            #expect(!report.entries.contains { $0.sequence == SequenceID(1) })
            #expect(report.load.runningSequences == (isOver ? 0 : 1))
            #expect(report.load.freeSlots == (isOver ? 8 : 7))
        }
        await rig.service.stop()
    }

    @Test func `two routers share slots and pages, and who stays gets all back`() async throws {
        let rig = try await WorkerRig.start()
        let (first, whole) = try await RouterEnd.linked(rig, router: "first")
        let (second, half) = try await RouterEnd.linked(rig, router: "second")

        #expect([whole.slotCount, whole.pageCount] == [8, 64])
        #expect([half.slotCount, half.pageCount] == [4, 32])
        func credit(_ event: WorkerEvent) -> [Int]? {
            if case .credit(let slots, let pages, _, _) = event { [slots, pages] } else { nil }
        }
        #expect(try await first.next(credit) == [4, 32])
        try await second.leave()
        #expect(try await first.next(credit) == [8, 64])
        await rig.service.stop()
    }

    @Test func `a lost link ends its router's sequences and nobody else's`() async throws {
        let rig = try await WorkerRig.start(pageCount: 4096)
        let (first, _) = try await RouterEnd.linked(rig, router: "first")
        let (second, _) = try await RouterEnd.linked(rig, router: "second")
        rig.gate.close()
        try await first.admit(1, [1], maxTokens: 10_000)
        try await second.admit(1, [7], maxTokens: 30)
        rig.gate.open()
        _ = try await first.next { if case .step(let report) = $0, !report.entries.isEmpty { true } else { nil } }

        try await first.leave()

        let (tokens, _) = try await second.tokens(of: 1)
        #expect(tokens == ScriptedRuntime.continuation(of: [7], count: 30))
        let (third, share) = try await RouterEnd.linked(rig, router: "third")
        #expect(share.slotCount == 4)
        // All slots are free again: the lost router's sequence is gone.
        try await third.leave()
        let slots = try await second.next { event -> Int? in
            guard case .credit(8, _, let load, _) = event else { return nil }
            return load.freeSlots
        }
        #expect(slots == 8)
        await rig.service.stop()
    }

    @Test func `a router that comes back ends its old link and the sequences on it`() async throws {
        let rig = try await WorkerRig.start(pageCount: 4096)
        let (old, _) = try await RouterEnd.linked(rig, epoch: 5)
        rig.gate.close()
        try await old.admit(1, [1], maxTokens: 10_000)

        let (new, share) = try await {
            let end = try await RouterEnd(rig)
            try await end.say(.hello(RouterHello(router: "r", epoch: 6)))
            rig.gate.open()
            guard case .message(.welcome(let description, _)) = await end.next() else { throw RouterEnd.Unexpected() }
            return (end, description)
        }()

        #expect(share.slotCount == 8)
        #expect(try await old.end().code == .aborted)
        try await new.admit(1, [9], maxTokens: 5)
        #expect(try await new.tokens(of: 1).tokens == ScriptedRuntime.continuation(of: [9], count: 5))
        await rig.service.stop()
    }

    @Test(arguments: [4, 5] as [UInt64]) func `an older link of a router does not replace a newer one`(
        epoch: UInt64
    ) async throws {
        let rig = try await WorkerRig.start()
        let (router, _) = try await RouterEnd.linked(rig, epoch: 5)
        let late = try await RouterEnd(rig)

        try await late.say(.hello(RouterHello(router: "r", epoch: epoch)))

        #expect(try await late.end().code == .failedPrecondition)
        try await router.admit(1, [1], maxTokens: 3)
        #expect(try await router.tokens(of: 1).tokens.count == 3)
        await rig.service.stop()
    }

    static let rudeness: [(String, GRPCStatusCode, [RouterMessage])] = [
        ("a command before the hello", .failedPrecondition, [.command(.cancel(SequenceID(1)))]),
        (
            "a second hello", .failedPrecondition,
            [.hello(RouterHello(router: "a", epoch: 1)), .hello(RouterHello(router: "a", epoch: 2))]
        ),
        ("no common version", .failedPrecondition, [.hello(RouterHello(versions: 7...9, router: "a", epoch: 1))]),
        ("a nameless router", .invalidArgument, [.hello(RouterHello(router: "", epoch: 1))]),
    ]

    @Test(arguments: rudeness.indices) func `a router out of order is shown the door`(index: Int) async throws {
        let (_, code, messages) = Self.rudeness[index]
        let rig = try await WorkerRig.start()
        let router = try await RouterEnd(rig)

        for message in messages { try await router.say(message) }

        let status = try await router.end()
        #expect(status.code == code)
        #expect(status.message.hasSuffix("."))
        await rig.service.stop()
    }

    @Test func `bytes that are no message end the link with a sentence`() async throws {
        let rig = try await WorkerRig.start()
        let (router, _) = try await RouterEnd.linked(rig)

        try await router.say(bytes: [0xFF, 0xFF])

        #expect(
            try await router.end() == GRPCStatus(.invalidArgument, "The bytes are not a RouterMessage message."))
        await rig.service.stop()
    }

    @Test func `more routers than there are shares are refused`() async throws {
        let rig = try await WorkerRig.start()
        var routers: [RouterEnd] = []
        for index in 0..<WorkerOptions.routersMax {
            routers.append(try await RouterEnd.linked(rig, router: "r\(index)").0)
        }
        let last = try await RouterEnd(rig)

        try await last.say(.hello(RouterHello(router: "last", epoch: 1)))

        #expect(try await last.end().code == .resourceExhausted)
        await rig.service.stop()
    }
}
