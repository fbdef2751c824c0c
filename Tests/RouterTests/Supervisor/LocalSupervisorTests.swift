import Foundation
import NIOCore
import NIOPosix
import Testing

@testable import Router

/// Real processes: shells that act as workers.
@Suite(.timeLimit(.minutes(1))) struct LocalSupervisorTests {
    typealias Event = LocalSupervisor.Event

    /// A supervisor on an event loop, and what it says.
    final class Rig: Sendable {
        let supervisor: NIOLoopBound<LocalSupervisor>
        private let stream: AsyncStream<Event>
        private let loop: any EventLoop

        init(script: String, workerCount: Int = 1, executable: String = "/bin/sh") async throws {
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            self.loop = loop
            let (stream, continuation) = AsyncStream.makeStream(of: Event.self)
            supervisor = try await loop.submit {
                var options = LocalSupervisor.Options(arguments: ["-c", script], workerCount: workerCount)
                options.executable = executable
                return NIOLoopBound(
                    try LocalSupervisor(options: options, eventLoop: loop) { continuation.yield($0) }, eventLoop: loop)
            }.get()
            self.stream = stream
        }

        var events: AsyncStream<Event>.Iterator { stream.makeAsyncIterator() }

        func call<Answer: Sendable>(_ body: @escaping @Sendable (LocalSupervisor) -> Answer) async throws -> Answer {
            try await loop.submit { body(self.supervisor.value) }.get()
        }
    }

    @Test func `a worker that announces its ports is ready, and ends when it is asked to`() async throws {
        let rig = try await Rig(script: "echo 4101 4102 >&3; exec 3>&-; exec sleep 100")
        var events = rig.events
        #expect(await events.next() == .workerStarted(index: 0, port: 4101, metricsPort: 4102))
        #expect(try await rig.call { $0.processIDs.compactMap { $0 }.count } == 1)

        try await rig.call { $0.terminate() }

        let status = ExitStatus.signalled(SIGTERM)
        #expect(
            await events.next() == .workerExited(index: 0, status: status, wasReady: true, restartMilliseconds: nil))
        #expect(await events.next() == .stopped)
        #expect(try await rig.call { $0.processIDs } == [nil])
    }

    @Test func `a worker that ends at once is started again with growing patience`() async throws {
        let rig = try await Rig(script: "exit 7")
        var events = rig.events
        for pause in [100, 200, 400] {
            #expect(
                await events.next()
                    == .workerExited(
                        index: 0, status: .exited(code: 7), wasReady: false, restartMilliseconds: pause))
        }

        try await rig.call { $0.terminate() }

        while let event = await events.next(), event != .stopped {}
    }

    @Test func `a killed worker comes back`() async throws {
        let rig = try await Rig(script: "echo 1 2 >&3; exec 3>&-; exec sleep 100")
        var events = rig.events
        #expect(await events.next() == .workerStarted(index: 0, port: 1, metricsPort: 2))
        let first = try await rig.call { $0.processIDs[0] }

        kill(try #require(first), SIGKILL)

        #expect(
            await events.next()
                == .workerExited(index: 0, status: .signalled(SIGKILL), wasReady: true, restartMilliseconds: 100))
        #expect(await events.next() == .workerStarted(index: 0, port: 1, metricsPort: 2))
        #expect(try await rig.call { $0.processIDs[0] } != first)
        try await rig.call { $0.kill() }
        while let event = await events.next(), event != .stopped {}
    }

    @Test func `a worker that does not listen to SIGTERM is ended by a kill`() async throws {
        let rig = try await Rig(script: "trap '' TERM; echo 1 2 >&3; exec 3>&-; while :; do sleep 1 3>&-; done")
        var events = rig.events
        _ = await events.next()
        try await rig.call { $0.terminate() }
        #expect(try await rig.call { $0.processIDs[0] } != nil)

        try await rig.call { $0.kill() }

        #expect(
            await events.next()
                == .workerExited(
                    index: 0, status: .signalled(SIGKILL), wasReady: true, restartMilliseconds: nil))
        #expect(await events.next() == .stopped)
    }

    @Test func `a worker inherits four descriptors and nothing else`() async throws {
        let stray = open("/dev/null", O_RDONLY)
        defer { close(stray) }
        #expect(stray > 3)
        let rig = try await Rig(
            script: """
                for descriptor in 0 1 2 3; do [ -e /proc/$$/fd/$descriptor ] || exit 1; done
                descriptor=4
                while [ $descriptor -lt 256 ]; do
                    [ -e /proc/$$/fd/$descriptor ] && exit 2
                    descriptor=$((descriptor + 1))
                done
                exit 42
                """)
        var events = rig.events

        #expect(
            await events.next()
                == .workerExited(index: 0, status: .exited(code: 42), wasReady: false, restartMilliseconds: 100))
        try await rig.call { $0.kill() }
    }

    @Test func `a worker runs in a process group of its own, with no signal blocked`() async throws {
        let rig = try await Rig(
            script: """
                read -r pid name state parent group rest < /proc/$$/stat
                blocked=$(grep SigBlk /proc/$$/status | tr -dc 1-9)
                [ "$group" = $$ ] && [ -z "$blocked" ] && exit 42
                exit 1
                """)
        var events = rig.events

        #expect(
            await events.next()
                == .workerExited(index: 0, status: .exited(code: 42), wasReady: false, restartMilliseconds: 100))
        try await rig.call { $0.kill() }
    }

    @Test(arguments: ["echo hello >&3", "echo 0 1 >&3", "echo 1 2 3 >&3", "echo 70000 1 >&3", "printf 12 >&3"])
    func `whoever announces anything but two ports is not ready`(script: String) async throws {
        let rig = try await Rig(script: script)
        var events = rig.events

        #expect(
            await events.next()
                == .workerExited(index: 0, status: .exited(code: 0), wasReady: false, restartMilliseconds: 100))
        try await rig.call { $0.kill() }
    }

    @Test func `a program that does not exist is reported, not fatal`() async throws {
        let rig = try await Rig(script: "", executable: "/nowhere/apus")
        var events = rig.events

        #expect(
            await events.next()
                == .workerNotStarted(index: 0, error: SpawnError(errorCode: ENOENT), restartMilliseconds: 100))
        try await rig.call { $0.terminate() }
        while let event = await events.next(), event != .stopped {}
    }

    @Test func `a stop is complete when all workers have ended`() async throws {
        let rig = try await Rig(script: "echo 1 2 >&3; exec 3>&-; exec sleep 100", workerCount: 3)
        var events = rig.events
        for _ in 0..<3 { _ = await events.next() }

        try await rig.call { $0.terminate() }

        var exits: Set<Int> = []
        while case .workerExited(let index, _, _, nil) = await events.next() { exits.insert(index) }
        #expect(exits == [0, 1, 2])
    }
}

@Suite struct RestartBackoffTests {
    @Test func `patience grows to ten seconds and starts over for who was well`() {
        var backoff = RestartBackoff()

        let early = (0..<9).map { _ in backoff.ended(readySeconds: 1) }

        #expect(early == [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000])
        #expect(backoff.ended(readySeconds: 59) == 10_000)
        #expect(backoff.ended(readySeconds: 60) == 100)
        #expect(backoff.ended(readySeconds: 0) == 200)
    }
}
