import HTTP
import Inference
import NIOCore
import NIOPosix
import Testing
import Text
import WorkerProtocol

@testable import Router

@Suite(.timeLimit(.minutes(1))) struct GRPCWorkerLinkTests {
    static let welcome = LinkRig.Heard.welcomed(FakeWorker.description, tokenCount: 256)
    static let cancel = WorkerCommand.cancel(SequenceID(3))

    @Test func `a link greets, learns the tokenizer, then speaks in order`() async throws {
        let worker = try await FakeWorker()
        let rig = try await LinkRig(port: worker.listener.port)
        var (heard, workerHeard) = (rig.heard, worker.heard)

        let name = "127.0.0.1:\(worker.listener.port) from router"
        #expect(await workerHeard.next() == .hello(RouterHello(router: name, epoch: 100)))
        #expect(await workerHeard.next() == .tokenizerAsked)
        #expect(await heard.next() == Self.welcome)
        for number in 1...50 as ClosedRange<UInt64> {
            #expect(try await rig.call { $0.send(Self.cancel) } == number)
            #expect(await workerHeard.next() == .command(Self.cancel))
        }
        try await worker.say(.draining)
        try await worker.say(.preempted(SequenceID(1)))
        #expect(await heard.next() == .received(.draining))
        #expect(await heard.next() == .received(.preempted(SequenceID(1))))
        try await rig.call { $0.close() }
        await worker.die()
    }

    @Test func `what comes before the tokenizer is kept, in order`() async throws {
        let worker = try await FakeWorker(.silent)
        let rig = try await LinkRig(port: worker.listener.port)
        var (heard, workerHeard) = (rig.heard, worker.heard)
        _ = await workerHeard.next()

        try await worker.say(.welcome(FakeWorker.description))
        try await worker.say(.prefix(added: [1, 2], removed: [], isSnapshot: true))
        try await worker.say(.draining)

        #expect(await heard.next() == Self.welcome)
        #expect(await heard.next() == .received(.prefix(added: [1, 2], removed: [], isSnapshot: true)))
        #expect(await heard.next() == .received(.draining))
        try await rig.call { $0.close() }
        await worker.die()
    }

    @Test func `a dead worker is noticed, its link dialled again with a newer epoch and counted anew`() async throws {
        let worker = try await FakeWorker()
        let rig = try await LinkRig(port: worker.listener.port)
        var heard = rig.heard
        #expect(await heard.next() == Self.welcome)
        #expect(try await rig.call { $0.send(Self.cancel) } == 1)
        #expect(try await rig.call { $0.send(Self.cancel) } == 2)

        await worker.die()

        #expect(await heard.next() == .lost("The connection to the worker was lost."))
        #expect(try await rig.call { $0.send(Self.cancel) } == 0)
        let next = try await FakeWorker(port: worker.listener.port)
        while let news = await heard.next(), news != Self.welcome {}
        guard
            case .hello(let hello) = await {
                var heard = next.heard; return await heard.next()
            }()
        else {
            Issue.record("no hello")
            return
        }
        #expect(hello.epoch > 100)
        #expect(try await rig.call { $0.send(Self.cancel) } == 1)
        try await rig.call { $0.close() }
        await next.die()
    }

    @Test func `a worker that refuses is dialled again, with its sentence passed on`() async throws {
        let worker = try await FakeWorker(.refusing)
        let rig = try await LinkRig(port: worker.listener.port)
        var heard = rig.heard

        #expect(await heard.next() == .notOpened("The worker ended the link: The worker is draining."))
        try await worker.behave(.welcoming)
        while let news = await heard.next(), news != Self.welcome {}
        try await rig.call { $0.close() }
        await worker.die()
    }

    @Test func `nobody there is no trap`() async throws {
        let worker = try await FakeWorker()
        let port = worker.listener.port
        await worker.die()
        let rig = try await LinkRig(port: port)
        var heard = rig.heard

        #expect(await heard.next() == .notOpened("Nothing listens on 127.0.0.1:\(port)."))
        #expect(await heard.next() == .notOpened("Nothing listens on 127.0.0.1:\(port)."))
        try await rig.call { $0.close() }
    }

    @Test func `one tokenizer serves all workers of a numerics id`() async throws {
        let worker = try await FakeWorker()
        let first = try await LinkRig(port: worker.listener.port)
        let second = try await LinkRig(port: worker.listener.port, like: first)
        var (firstHeard, secondHeard, workerHeard) = (first.heard, second.heard, worker.heard)

        #expect(await firstHeard.next() == Self.welcome)
        #expect(await secondHeard.next() == Self.welcome)
        try await worker.say(.draining)
        try await first.call { $0.giveUp("Enough.") }
        #expect(await firstHeard.next() == .lost("Enough."))
        #expect(await firstHeard.next() == Self.welcome)

        try await first.call { $0.close() }
        try await second.call { $0.close() }
        await worker.die()
        var asked = 0
        var hellos = 0
        while hellos < 3 || asked < 1, let news = await workerHeard.next() {
            switch news {
            case .tokenizerAsked: asked += 1
            case .hello: hellos += 1
            case .command, .gone: break
            }
        }
        #expect(hellos == 3)
        #expect(asked == 1)
    }

    @Test func `workers of one numerics id each bring their own chat template`() async throws {
        let workers = try await (FakeWorker(chatTemplate: "old"), FakeWorker(chatTemplate: "new"))
        let first = try await LinkRig(port: workers.0.listener.port)
        let second = try await LinkRig(port: workers.1.listener.port, like: first)
        var (firstHeard, secondHeard) = (first.heard, second.heard)

        #expect(await firstHeard.next() == .welcomed(workers.0.description, tokenCount: 256))
        #expect(await secondHeard.next() == .welcomed(workers.1.description, tokenCount: 256))

        #expect(try await first.tokenizer?.spec.chatTemplate == "old")
        #expect(try await second.tokenizer?.spec.chatTemplate == "new")
        for rig in [first, second] { try await rig.forget() }
        await workers.0.die()
        await workers.1.die()
    }

    @Test func `a tokenizer that nobody goes by any more is fetched again`() async throws {
        let worker = try await FakeWorker()
        let first = try await LinkRig(port: worker.listener.port)
        var (firstHeard, workerHeard) = (first.heard, worker.heard)
        #expect(await firstHeard.next() == Self.welcome)
        try await first.forget()

        let second = try await LinkRig(port: worker.listener.port, like: first)

        var secondHeard = second.heard
        #expect(await secondHeard.next() == Self.welcome)
        try await second.forget()
        await worker.die()
        var (asked, gone) = (0, 0)
        while gone < 2, let news = await workerHeard.next() {
            switch news {
            case .tokenizerAsked: asked += 1
            case .gone: gone += 1
            case .hello, .command: break
            }
        }
        #expect(asked == 2)
    }

    @Test func `a tokenizer that is no good keeps the worker out`() async throws {
        let worker = try await FakeWorker(.brokenTokenizer)
        let rig = try await LinkRig(port: worker.listener.port)
        var heard = rig.heard

        guard case .notOpened(let reason) = await heard.next() else {
            Issue.record("it was opened")
            return
        }
        #expect(reason.hasPrefix("The worker sent a bad tokenizer: "))
        try await worker.behave(.welcoming)
        while let news = await heard.next(), news != Self.welcome {}
        try await rig.call { $0.close() }
        await worker.die()
    }

    static let nonsense: [(String, [UInt8])] = [
        ("no message", [0xFF]),
        (
            "a second welcome",
            WorkerMessage.bytes(.welcome(FakeWorker.description), version: ProtocolVersion.supported.upperBound)
        ),
        ("a welcome in another version", WorkerMessage.bytes(.welcome(FakeWorker.description), version: 9)),
    ]

    @Test(arguments: nonsense.indices) func `nonsense ends the link, not the router`(index: Int) async throws {
        let worker = try await FakeWorker()
        let rig = try await LinkRig(port: worker.listener.port)
        var heard = rig.heard
        #expect(await heard.next() == Self.welcome)

        try await worker.say(bytes: Self.nonsense[index].1)

        guard case .lost(let reason) = await heard.next() else {
            Issue.record("it was not lost")
            return
        }
        #expect(reason.hasSuffix("."))
        #expect(await heard.next() == Self.welcome)
        try await rig.call { $0.close() }
        await worker.die()
    }

    @Test func `news of a newer worker is passed over`() async throws {
        let worker = try await FakeWorker()
        let rig = try await LinkRig(port: worker.listener.port)
        var heard = rig.heard
        #expect(await heard.next() == Self.welcome)

        try await worker.say(bytes: [0xA2, 0x06, 0x02, 0x01, 0x02])
        try await worker.say(.draining)

        #expect(await heard.next() == .received(.draining))
        try await rig.call { $0.close() }
        await worker.die()
    }

    @Test func `a worker that never welcomes is given up`() async throws {
        let worker = try await FakeWorker(.silent)
        let rig = try await LinkRig(port: worker.listener.port) { $0.welcomeTimeout = .milliseconds(1) }
        var heard = rig.heard

        #expect(await heard.next() == .notOpened("The worker did not welcome this router in time."))
        try await rig.call { $0.close() }
        await worker.die()
    }

    @Test func `a worker that hangs is noticed by its silence`() async throws {
        // On a loop of its own: the test holds it up.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let worker = try await FakeWorker(on: group.next())
        let rig = try await LinkRig(port: worker.listener.port)
        var heard = rig.heard
        #expect(await heard.next() == Self.welcome)
        let noticed = Gate()
        worker.loop.execute { noticed.pass() }

        let news = await heard.next()
        noticed.open()

        #expect(news == .lost("The worker was silent, also when it was pinged."))
        try await rig.call { $0.close() }
        await worker.die()
        try await group.shutdownGracefully()
    }

    @Test func `a silent worker that is well stays linked`() async throws {
        let worker = try await FakeWorker()
        let rig = try await LinkRig(port: worker.listener.port) {
            $0.lookInterval = .milliseconds(2)
            $0.looksBeforeLoss = 100
        }
        var heard = rig.heard
        #expect(await heard.next() == Self.welcome)

        // More looks than a silence may last.
        for _ in 0..<200 {
            try await rig.loop.scheduleTask(in: .milliseconds(2)) {}.futureResult.get()
        }
        try await worker.say(.draining)

        #expect(await heard.next() == .received(.draining))
        try await rig.call { $0.close() }
        await worker.die()
    }

    @Test func `a closed link says nothing more and frees the worker's end`() async throws {
        let worker = try await FakeWorker()
        let rig = try await LinkRig(port: worker.listener.port)
        var (heard, workerHeard) = (rig.heard, worker.heard)
        #expect(await heard.next() == Self.welcome)

        try await rig.call { $0.close() }

        while let news = await workerHeard.next(), news != .gone {}
        #expect(try await rig.call { $0.send(Self.cancel) } == 0)
        await worker.die()
    }
}
