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
    /// nil where nothing is traced.
    private let export: TraceExport?
    /// A model of the start that could not be loaded.
    private let failure: NIOLoopBoundBox<String?>

    /// What is confined to the event loop.
    private final class State {
        let router: Router
        /// nil where workers are elsewhere.
        let local: LocalModels?

        init(router: Router, local: LocalModels?) {
            self.router = router
            self.local = local
        }
    }

    /// - Parameter models: what workers of this machine can compute; nil where workers are elsewhere.
    init(_ front: FrontSettings, linkTLS: TLSOptions?, logger: Logger, models: [LocalModel]?) async throws {
        self.front = front
        self.logger = logger
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        pool = NIOThreadPool(numberOfThreads: 2)
        pool.start()
        let eventLoop = group.next()
        self.eventLoop = eventLoop
        childrenGone = eventLoop.makePromise()
        failure = .makeBoxSendingValue(nil, eventLoop: eventLoop)
        let pool = pool
        let tls = try front.tls.map { try TLSContextBox.server($0) }
        let adminTLS = try front.adminTLS.map { try TLSContextBox.server($0) }
        let dialTLS = try linkTLS.map { try TLSContextBox.client($0) }
        let export = try front.tracing.map { try TraceExport($0, service: "apus-router", eventLoop: eventLoop) }
        self.export = export
        let metrics = MetricRegistry(engine: "router")
        let inference = InferenceStatistics(metrics)
        let access = try await eventLoop.submit {
            NIOLoopBound(front.accessKeys.map { AccessControl($0) }, eventLoop: eventLoop)
        }.get()
        let state = try await eventLoop.submit {
            let tokenizers = TokenizerStore()
            var seed = SystemRandomNumberGenerator()
            let name = "router-" + String(seed.next() as UInt64, radix: 16)
            let epoch = Program.epoch()
            let router = Router(
                eventLoop: eventLoop, options: front.router, metrics: metrics, logger: logger,
                tracer: export?.tracer(metrics: metrics, logger: logger)
            ) { address in
                GRPCWorkerLink(
                    .init(host: address.host, port: address.port, router: name, epoch: epoch, tls: dialTLS),
                    eventLoop: eventLoop, tokenizers: tokenizers,
                    chance: { Double.random(in: 0..<1) })
            }
            router.start([])
            var options = LocalModels.Options()
            options.drainSeconds = front.drainSeconds
            let local = models.map {
                LocalModels(
                    $0, router: router, options: options, metrics: metrics, eventLoop: eventLoop, logger: logger,
                    offload: { work in pool.submit { _ in work() } })
            }
            return NIOLoopBound(State(router: router, local: local), eventLoop: eventLoop)
        }.get()
        self.state = state
        health = GRPCHealth()
        let health = health
        let descriptors = DescriptorBudget.ofProcess
        let options = ListenerSettings(front, descriptors)
        if options.areLimited {
            logger.warning(
                "few file descriptors",
                metadata: ["limit": "\(descriptors.count)", "connections": "\(options.http.connectionCountMax)"])
        }
        var bound: [HTTPListener] = []
        do {
            bound.append(
                try await HTTPListener.bind(
                    host: front.host, port: front.httpPort, group: eventLoop, options: options.http, tls: tls
                ) { _ in
                    APIHandler(
                        service: state.value.router, metrics: metrics, inference: inference, options: front.api,
                        access: access.value, repository: state.value.local, logger: logger,
                        offload: { work in pool.submit { _ in work() } })
                })
            bound.append(
                try await HTTPListener.bind(
                    host: front.host, port: front.grpcPort, group: eventLoop, options: options.grpc, tls: tls
                ) { _ in
                    let dispatcher = GRPCDispatcher()
                    health.register(in: dispatcher)
                    let inference = GRPCInferenceService(
                        service: state.value.router, metrics: metrics, inference: inference, options: front.api,
                        access: access.value, repository: state.value.local, logger: logger,
                        offload: { work in pool.submit { _ in work() } })
                    inference.register(in: dispatcher)
                    ExternalScaler(service: state.value.router).register(in: dispatcher)
                    ServerReflection().register(in: dispatcher)
                    return dispatcher
                })
            bound.append(
                try await HTTPListener.bind(
                    host: front.host, port: front.adminPort, group: eventLoop,
                    options: options.admin, tls: adminTLS
                ) { _ in
                    AdminHandler(
                        service: state.value.router, metrics: metrics, options: front.api, access: access.value,
                        repository: state.value.local, logger: logger)
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
        for (name, box) in [("API", tls), ("admin port", adminTLS), ("link", dialTLS)] {
            box?.follow(on: eventLoop) { error in
                logger.log(
                    level: error == nil ? .info : .warning, "certificates read again",
                    metadata: error.map { ["of": "\(name)", "why": "\($0)"] } ?? ["of": "\(name)"])
            }
        }
        if let path = front.accessKeyFile { Self.follow(path, eventLoop, access, logger) }
        let (listener, connections) = (bound[0], metrics.gauge(.httpConnections))
        try await eventLoop.submit {
            _ = eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(100)) { _ in
                health.update(from: state.value.router, state.value.local)
                inference.follow(state.value.router)
                connections.set(Double(listener.connectionCount))
            }
        }.get()
    }

    /// Reads the keys again when their file changes. While it cannot be used, those before count.
    private static func follow(
        _ path: String, _ eventLoop: any EventLoop, _ access: NIOLoopBound<AccessControl?>, _ logger: Logger
    ) {
        FileWatch([path]).follow(on: eventLoop) {
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

    /// Starts models' worker processes, which end with this one.
    /// - Parameter models: names, and what each model's workers are started with.
    func startWorkers(_ models: [(name: String, arguments: [String])]) async throws {
        let (state, failure) = (state, failure)
        try await eventLoop.submit {
            for model in models {
                state.value.local?.start(model.name, arguments: model.arguments) { why in
                    if why != nil { failure.value = model.name }
                }
            }
        }.get()
    }

    /// - Returns: false when a stop was asked for meanwhile.
    /// - Throws: when the workers of one end again and again and none was ever ready.
    func waitForWorkers(of models: [String], signals: StopSignals) async throws -> Bool {
        let (state, failure) = (state, failure)
        while !signals.wereRaised {
            let (areReady, failed) = try await eventLoop.submit {
                (state.value.local?.areReady(models) ?? true, failure.value)
            }.get()
            if let failed {
                await stop()
                throw Sentence(description: "No worker of \(failed) starts; what they said is above.")
            }
            if areReady { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    /// Says on standard output where the router listens.
    func announce(models: [String] = [], workers: Int = 0) {
        let scheme = front.tls == nil ? "http" : "https"
        let url = "\(scheme)://\(front.host == "0.0.0.0" ? "127.0.0.1" : front.host):\(listeners[0].port)"
        var text = "apus: \(url) is ready"
        if let model = models.first {
            let names = models.joined(separator: ", ")
            text += ": \(names) on \(workers) worker\(workers == 1 ? "" : "s")\nTry: curl -N \(url)/v1/chat/completions"
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
        let deadline = NIODeadline.now() + .milliseconds(Int64(front.drainSeconds * 1000))
        try? await empty.futureResult.get()
        limit.cancel()
        health.shutDown()
        // Answers that have ended reach their clients before the sockets close. The admin port is the last.
        for listener in listeners { await listener.drain(within: .seconds(2), sending: deadline - .now()) }
    }

    private func stop() async {
        let (state, gone) = (state, childrenGone)
        health.shutDown()
        eventLoop.execute {
            state.value.router.stop()
            guard let local = state.value.local else { return gone.succeed() }
            local.stop { gone.succeed() }
        }
        for listener in listeners { await listener.close() }
        try? await gone.futureResult.get()
        await export?.close()
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
