import API
import Foundation
import HTTP
import Logging
import NIOCore
import NIOPosix
import Router
import Telemetry

/// A running router: its event loop, its three listeners, and its workers when they are children of this process.
///
/// Everything but the listeners lives on the one event loop.
final class RouterProcess: Sendable {
    private let front: FrontSettings
    private let logger: Logger
    private let group: MultiThreadedEventLoopGroup
    private let pool: NIOThreadPool
    private let eventLoop: any EventLoop
    private let state: NIOLoopBound<State>
    private let listeners: [HTTPListener]
    private let health: GRPCHealth
    private let childrenGone: EventLoopPromise<Void>

    /// What is confined to the event loop.
    private final class State {
        let router: Router
        let local: LocalDiscovery
        var supervisor: LocalSupervisor?
        var readyWorkerCount = 0
        /// Workers that ended before they were ready, one after the other with none that was.
        var failedStartCount = 0

        init(router: Router, local: LocalDiscovery) {
            self.router = router
            self.local = local
        }

        func count(_ event: LocalSupervisor.Event) {
            switch event {
            case .workerStarted:
                readyWorkerCount += 1
                failedStartCount = 0
            case .workerExited(_, _, wasReady: true, _): readyWorkerCount -= 1
            case .workerExited, .workerNotStarted: failedStartCount += 1
            case .stopped: break
            }
        }
    }

    init(_ front: FrontSettings, linkTLS: TLSOptions?, logger: Logger, servesLocally: Bool) async throws {
        self.front = front
        self.logger = logger
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        pool = NIOThreadPool(numberOfThreads: 2)
        pool.start()
        let eventLoop = group.next()
        self.eventLoop = eventLoop
        childrenGone = eventLoop.makePromise()
        let tls = try front.tls.map { try TLSContextBox.server($0) }
        let dialTLS = try linkTLS.map { try TLSContextBox.client($0) }
        let metrics = MetricRegistry(engine: "router")
        let inference = InferenceStatistics(metrics)
        let access = try await eventLoop.submit {
            NIOLoopBound(front.accessKeys.map { AccessControl($0) }, eventLoop: eventLoop)
        }.get()
        let state = try await eventLoop.submit {
            let tokenizers = TokenizerStore()
            var seed = SystemRandomNumberGenerator()
            let name = "router-" + String(seed.next() as UInt64, radix: 16)
            let epoch = UInt64(max(0, Date().timeIntervalSince1970) * 1e9)
            let router = Router(
                eventLoop: eventLoop, options: front.router, metrics: metrics, logger: logger
            ) { address in
                GRPCWorkerLink(
                    .init(host: address.host, port: address.port, router: name, epoch: epoch, tls: dialTLS),
                    eventLoop: eventLoop, tokenizers: tokenizers,
                    chance: { Double.random(in: 0..<1) })
            }
            return NIOLoopBound(
                State(router: router, local: LocalDiscovery(metrics: metrics)), eventLoop: eventLoop)
        }.get()
        self.state = state
        health = GRPCHealth()
        let health = health
        let pool = pool
        var bound: [HTTPListener] = []
        do {
            bound.append(
                try await HTTPListener.bind(
                    host: front.host, port: front.httpPort, group: eventLoop, options: APIHandler.listenerOptions,
                    tls: tls
                ) { _ in
                    APIHandler(
                        service: state.value.router, metrics: metrics, inference: inference, options: front.api,
                        access: access.value, offload: { work in pool.submit { _ in work() } })
                })
            bound.append(
                try await HTTPListener.bind(host: front.host, port: front.grpcPort, group: eventLoop, tls: tls) { _ in
                    let dispatcher = GRPCDispatcher()
                    health.register(in: dispatcher)
                    let inference = GRPCInferenceService(
                        service: state.value.router, metrics: metrics, inference: inference, options: front.api,
                        access: access.value, offload: { work in pool.submit { _ in work() } })
                    inference.register(in: dispatcher)
                    ExternalScaler(service: state.value.router).register(in: dispatcher)
                    ServerReflection().register(in: dispatcher)
                    return dispatcher
                })
            bound.append(
                try await HTTPListener.bind(host: front.host, port: front.adminPort, group: eventLoop) { _ in
                    AdminHandler(
                        service: state.value.router, metrics: metrics, options: front.api, access: access.value)
                })
        } catch {
            for listener in bound { await listener.close() }
            pool.shutdownGracefully { _ in }
            try? await group.shutdownGracefully()
            throw error
        }
        listeners = bound
        health.setServing("", false)
        health.setServing(GRPCInferenceService.name, false)
        for (name, box) in [("API", tls), ("link", dialTLS)] {
            box?.follow(on: eventLoop) { error in
                logger.log(
                    level: error == nil ? .info : .warning, "certificates read again",
                    metadata: error.map { ["of": "\(name)", "why": "\($0)"] } ?? ["of": "\(name)"])
            }
        }
        if let path = front.accessKeyFile { Self.follow(path, eventLoop, access, logger) }
        let (listener, connections) = (bound[0], metrics.gauge(.httpConnections))
        try await eventLoop.submit {
            state.value.router.start(servesLocally ? [state.value.local] : [])
            eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(100)) { _ in
                health.update(from: state.value.router)
                inference.follow(state.value.router)
                connections.set(Double(listener.connectionCount))
            }
        }.get()
    }

    /// Reads the keys again when their file changes. While it cannot be used, those before count.
    private static func follow(
        _ path: String, _ eventLoop: any EventLoop, _ access: NIOLoopBound<AccessControl?>, _ logger: Logger
    ) {
        let stamp = NIOLoopBoundBox.makeBoxSendingValue(FileStamp(path), eventLoop: eventLoop)
        eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            let now = FileStamp(path)
            guard now != stamp.value else { return }
            stamp.value = now
            do {
                access.value?.replace(try AccessKeys.read(path))
                logger.info("keys read again")
            } catch {
                logger.warning("keys not read again", metadata: ["why": "\(error)"])
            }
        }
    }

    /// Lists models before their workers are there.
    func expect(_ models: [ExpectedModel]) async throws {
        let state = state
        try await eventLoop.submit { state.value.router.expect(models) }.get()
    }

    /// Looks for workers in these places.
    func follow(_ places: WorkerPlaces) async throws {
        let (state, eventLoop, logger) = (state, eventLoop, logger)
        try await eventLoop.submit {
            do {
                let services = places.services.map { options in
                    KubernetesDiscovery(
                        options, eventLoop: eventLoop, logger: logger, chance: { Double.random(in: 0..<1) })
                }
                state.value.router.start(
                    try AddressList.discoveries(for: places.addresses, eventLoop: eventLoop) + services)
            } catch AddressList.Problem.malformed(let entry) {
                throw Sentence(
                    description: "--worker-address must be HOST:PORT with a port of 1 to 65535, or a name like "
                        + "_link._tcp.NAME, not '\(entry)'.")
            }
        }.get()
    }

    /// Starts worker processes that end with this one.
    func startWorkers(count: Int, arguments: [String]) async throws {
        let (state, eventLoop, logger, gone) = (state, eventLoop, logger, childrenGone)
        try await eventLoop.submit {
            state.value.supervisor = try LocalSupervisor(
                options: .init(arguments: arguments, workerCount: count), eventLoop: eventLoop
            ) { event in
                if case .stopped = event { gone.succeed() }
                state.value.count(event)
                if case .workerExited(let index, let status, _, let restart) = event {
                    logger.log(
                        level: restart == nil ? .debug : .warning, "worker ended",
                        metadata: ["worker": "\(index)", "status": "\(status)", "restart_ms": "\(restart ?? -1)"])
                }
                state.value.local.supervisorSaid(event)
            }
        }.get()
    }

    /// - Returns: false when a stop was asked for meanwhile.
    /// - Throws: when the workers end again and again and none was ever ready.
    func waitForWorkers(count: Int, signals: StopSignals) async throws -> Bool {
        let state = state
        while !signals.wereRaised {
            let (ready, failed) = try await eventLoop.submit {
                (state.value.router.isReady ? state.value.readyWorkerCount : 0, state.value.failedStartCount)
            }.get()
            if ready == count { return true }
            if failed >= count * 3 {
                await stop()
                throw Sentence(description: "No worker starts; what they said is above.")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    /// Says on standard output where the router listens.
    func announce(model: String? = nil, workers: Int = 0) {
        let scheme = front.tls == nil ? "http" : "https"
        let url = "\(scheme)://\(front.host == "0.0.0.0" ? "127.0.0.1" : front.host):\(listeners[0].port)"
        var text = "apus: \(url) is ready"
        if let model {
            text += ": \(model) on \(workers) worker\(workers == 1 ? "" : "s")\nTry: curl -N \(url)/v1/chat/completions"
            text += " -H 'content-type: application/json' -d '{\"model\":\"\(model)\",\"stream\":true,"
            text += "\"messages\":[{\"role\":\"user\",\"content\":\"Why do swifts never land?\"}]}'"
        }
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }

    /// Serves until SIGTERM or SIGINT, then lets running requests end; a second signal ends them.
    func runUntilStopped(_ signals: StopSignals) async throws {
        let ended = eventLoop.makePromise(of: Void.self)
        let once = Once(ended)
        await Program.stop(
            signals,
            gently: {
                await self.drain(); once.complete()
            }, atOnce: { once.complete() },
            finished: { try? await ended.futureResult.get() })
        await stop()
    }

    private func drain() async {
        logger.info("draining", metadata: ["deadline_seconds": "\(front.drainSeconds)"])
        let (state, eventLoop) = (state, eventLoop)
        let empty = eventLoop.makePromise(of: Void.self)
        let once = Once(empty)
        eventLoop.execute { state.value.router.drain { once.complete() } }
        let limit = eventLoop.scheduleTask(in: .milliseconds(Int64(front.drainSeconds * 1000))) { once.complete() }
        try? await empty.futureResult.get()
        limit.cancel()
        // Answers that have ended reach their clients before the sockets close.
        for listener in listeners { await listener.drain(within: .seconds(2)) }
    }

    private func stop() async {
        let (state, eventLoop, gone) = (state, eventLoop, childrenGone)
        health.shutDown()
        let hasChildren = try? await eventLoop.submit {
            state.value.router.stop()
            guard let supervisor = state.value.supervisor else { return false }
            supervisor.terminate()
            eventLoop.scheduleTask(in: .seconds(2)) { state.value.supervisor?.kill() }
            return true
        }.get()
        for listener in listeners { await listener.close() }
        if hasChildren == true { try? await gone.futureResult.get() } else { gone.succeed() }
        pool.shutdownGracefully { _ in }
    }
}

/// Completes a promise the first time only.
private final class Once: Sendable {
    private let promise: EventLoopPromise<Void>
    private let eventLoop: any EventLoop
    private let isDone: NIOLoopBoundBox<Bool>

    init(_ promise: EventLoopPromise<Void>) {
        self.promise = promise
        eventLoop = promise.futureResult.eventLoop
        isDone = .makeBoxSendingValue(false, eventLoop: eventLoop)
    }

    func complete() {
        eventLoop.execute {
            guard !self.isDone.value else { return }
            self.isDone.value = true
            self.promise.succeed()
        }
    }
}
