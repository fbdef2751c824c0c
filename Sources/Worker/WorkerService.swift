import Engine
import Grammar
import HTTP
package import Inference
package import Logging
import Models
package import NIOCore
import NIOPosix
import Synchronization
package import Telemetry
import Text
import WorkerProtocol

/// One worker process: listens at once, loads its model, serves routers until it is told to stop.
///
///     listening, loading ─▶ serving ─▶ draining ─▶ stopped
///
/// The link's port answers gRPC health from the first moment, so that a probe can tell loading from hanging. All
/// sockets live on one event loop; the engine has its own thread, and posts to the loop once per step.
package final class WorkerService: Sendable {
    package let health: WorkerHealth
    /// As bound: the system's choice where 0 was asked for.
    package let port: Int
    package let metricsPort: Int

    private let options: WorkerOptions
    private let logger: Logger
    private let eventLoop: any EventLoop
    private let listener: HTTPListener
    private let metricsListener: HTTPListener
    let desk: NIOLoopBound<WorkerDesk>
    private let engine = Mutex<EngineThread?>(nil)
    private let watch = Mutex<ModelWatch?>(nil)
    /// The last sequence has left, or the deadline has passed.
    private let drained: EventLoopPromise<Void>
    private let stopped: EventLoopPromise<Void>
    private let hasStopped = Atomic<Bool>(false)
    private let hasDrained = Atomic<Bool>(false)
    private let hasLostModel = Atomic<Bool>(false)

    private init(
        options: WorkerOptions, logger: Logger, eventLoop: any EventLoop, health: WorkerHealth,
        listener: HTTPListener, metricsListener: HTTPListener, desk: NIOLoopBound<WorkerDesk>
    ) {
        self.options = options
        self.logger = logger
        self.eventLoop = eventLoop
        self.health = health
        self.listener = listener
        self.metricsListener = metricsListener
        self.desk = desk
        port = listener.port
        metricsPort = metricsListener.port
        drained = eventLoop.makePromise()
        stopped = eventLoop.makePromise()
    }

    deinit {
        if !hasDrained.load(ordering: .acquiring) { drained.succeed() }
        if !hasStopped.load(ordering: .acquiring) { stopped.succeed() }
    }

    /// Binds both ports, then loads the model on a thread of its own, then serves.
    /// - Parameters:
    ///   - clock: what the engine's progress is compared with.
    ///   - makeTracer: called once, on the event loop; nil where nothing is traced.
    ///   - load: called once, off the event loop; may take minutes. Its error's description is a sentence.
    /// - Throws: when a port is taken, the model does not load, or the system gives no thread; nothing is left then.
    package static func start(
        _ options: WorkerOptions, eventLoop: any EventLoop, registry: MetricRegistry, logger: Logger,
        clock: @escaping @Sendable () -> Instant = { MonotonicClock.now() },
        makeTracer: @escaping @Sendable () -> Tracer? = { nil },
        load: @escaping @Sendable () throws -> sending LoadedModel
    ) async throws(WorkerStartError) -> WorkerService {
        let service = try await listen(
            options, eventLoop: eventLoop, registry: registry, logger: logger, clock: clock, makeTracer: makeTracer)
        do throws(WorkerStartError) {
            try await service.serve(registry: registry, load: load)
        } catch {
            await service.stop()
            throw error
        }
        return service
    }

    private static func listen(
        _ options: WorkerOptions, eventLoop: any EventLoop, registry: MetricRegistry, logger: Logger,
        clock: @escaping @Sendable () -> Instant, makeTracer: @escaping @Sendable () -> Tracer?
    ) async throws(WorkerStartError) -> WorkerService {
        let health = WorkerHealth(rules: HealthRules(stallSeconds: options.stallSeconds), clock: clock)
        let (tls, metricsTLS) = (try tlsContext(options.linkTLS), try tlsContext(options.metricsTLS))
        do {
            let desk = try await eventLoop.submit {
                NIOLoopBound(
                    WorkerDesk(eventLoop: eventLoop, health: health, tracer: makeTracer()), eventLoop: eventLoop)
            }.get()
            let listener = try await HTTPListener.bind(
                host: options.host, port: options.port, group: eventLoop,
                options: .internalLink.limited(to: DescriptorBudget.ofProcess.largePortMax), tls: tls
            ) { _ in desk.value.handler() }
            do {
                let metricsListener = try await HTTPListener.bind(
                    host: options.host, port: options.metricsPort, group: eventLoop,
                    options: HTTPListenerOptions().limited(to: DescriptorBudget.ofProcess.smallPortMax),
                    tls: metricsTLS
                ) { _ in MetricsHandler(registry: registry, health: health) }
                for (name, box) in [("link", tls), ("metrics port", metricsTLS)] {
                    box?.follow(on: eventLoop) { error in
                        logger.log(
                            level: error == nil ? .info : .warning, "certificates read again",
                            metadata: error.map { ["of": "\(name)", "why": "\($0)"] } ?? ["of": "\(name)"])
                    }
                }
                return WorkerService(
                    options: options, logger: logger, eventLoop: eventLoop, health: health, listener: listener,
                    metricsListener: metricsListener, desk: desk)
            } catch {
                await listener.close()
                throw error
            }
        } catch {
            throw .listening(String(describing: error))
        }
    }

    private static func tlsContext(_ options: TLSOptions?) throws(WorkerStartError) -> TLSContextBox? {
        guard let options else { return nil }
        do throws(TLSError) {
            return try TLSContextBox.server(options)
        } catch {
            throw .tls(error.description)
        }
    }

    private func serve(
        registry: MetricRegistry, load: @escaping @Sendable () throws -> sending LoadedModel
    ) async throws(WorkerStartError) {
        let loaded: Loaded
        do {
            let pool = NIOThreadPool(numberOfThreads: 1)
            pool.start()
            defer { pool.shutdownGracefully { _ in } }
            loaded = try await pool.runIfActive { try self.startEngine(registry, try load()) }
        } catch let error as WorkerStartError {
            throw error
        } catch {
            throw .model(error)
        }
        engine.withLock { $0 = loaded.engine }
        guard !hasStopped.load(ordering: .acquiring) else { throw .stopped }
        let metrics = registry.gauge(.connectedRouters)
        let (desk, health) = (desk, health)
        do {
            try await eventLoop.submit {
                desk.value.open(loaded.engine, tokenizer: loaded.tokenizer, routers: metrics)
                health.serve(loaded.engine)
                desk.value.updateProbes()
            }.get()
        } catch {
            throw .stopped
        }
        logger.info(
            "serving",
            metadata: [
                "model": .string(options.servedName ?? loaded.engine.model.name), "port": .stringConvertible(port),
                "metrics_port": .stringConvertible(metricsPort),
                "slots": .stringConvertible(loaded.engine.options.slotCount),
                "pages": .stringConvertible(loaded.engine.model.pageCount),
            ])
        if let descriptor = options.announceDescriptor {
            ProcessTies.announce(port: port, metricsPort: metricsPort, to: descriptor)
        }
        watch.withLock {
            $0 = ModelWatch(on: eventLoop, isIntact: loaded.isIntact) { [weak self] in self?.modelLost() }
        }
    }

    private struct Loaded {
        var engine: EngineThread
        var tokenizer: [ByteBuffer]
        var isIntact: @Sendable () -> Bool
    }

    private func startEngine(
        _ registry: MetricRegistry, _ model: sending LoadedModel
    ) throws(WorkerStartError) -> Loaded {
        let chunks = TokenizerTransfer.chunks(model.tokenizer)
        let tokenizer = chunks.map { ByteBuffer(bytes: $0) }
        let vocabulary = TokenVocabulary(Tokenizer.textBytes(of: model.tokenizer))
        let (description, isIntact) = (model.runtime.description, model.isIntact)
        let engineOptions = EngineOptions(
            servedName: options.servedName, epoch: options.epoch,
            tokenizerDigest: SHA256Digest.word(of: Array(chunks.joined())), slotCount: options.slotCount,
            stepTokenBudget: options.stepTokenBudget, stepSecondsTarget: options.stepSecondsTarget,
            prefillShare: options.prefillShare, prefixCacheEnabled: options.prefixCacheEnabled,
            speculationEnabled: options.speculationEnabled
        ).fitted(to: description)
        let metrics = WorkerMetrics(
            registry, model: options.servedName ?? description.name, pageTokenCount: description.pageTokenCount,
            pageCount: description.pageCount, slotCount: engineOptions.slotCount)
        let (eventLoop, desk, health) = (eventLoop, desk, health)
        let observer = EngineThread.Observer(
            events: { events in
                eventLoop.execute { desk.value.links.deliver(events) }
                let reports = events.compactMap { if case .step(let report) = $0.event { report } else { nil } }
                if let first = reports.first { health.stepEnded(microseconds: first.durationMicroseconds) }
                metrics.stepReported(reports)
            },
            statistics: { metrics.updated($0) },
            drained: { [weak self] in self?.drainEnded() })
        do throws(EngineStartError) {
            let engine = try EngineThread(
                runtime: model.runtime, options: engineOptions, vocabulary: vocabulary, observer: observer)
            return Loaded(engine: engine, tokenizer: tokenizer, isIntact: isIntact)
        } catch {
            switch error {
            case .noThread(let errorCode): throw .engine(errorCode: errorCode)
            }
        }
    }

    // MARK: - The end

    /// SIGTERM: routers hear of it and move their sequences; the worker stops when the last has left, or after
    /// `drainSeconds`. Returns when it has stopped.
    package func drain() async {
        health.drain()
        logger.info("draining", metadata: ["deadline_seconds": .stringConvertible(options.drainSeconds)])
        let desk = desk
        try? await eventLoop.submit { desk.value.updateProbes() }.get()
        guard let engine = engine.withLock({ $0 }) else { return await stop() }
        engine.drain(deadlineSeconds: options.drainSeconds)
        // The engine keeps the deadline itself. Should it hang, this ends it.
        let limit = TimeAmount.milliseconds(Int64(options.drainSeconds * 1000) + 2000)
        let timer = eventLoop.scheduleTask(in: limit) { [weak self] in self?.drainEnded() }
        try? await drained.futureResult.get()
        timer.cancel()
        await stop()
    }

    /// Also comes when a router asked for the drain; then nobody waits in ``drain()``, and this ends the worker.
    private func drainEnded() {
        guard !hasDrained.exchange(true, ordering: .acquiringAndReleasing) else { return }
        health.drain()
        drained.succeed()
        // What the engine said last is on its way to the loop before this.
        eventLoop.execute { [weak self] in
            guard let self else { return }
            Task { await self.stop() }
        }
    }

    /// Whether the worker ended because its model's file was written over: what it would compute is anybody's guess.
    package var modelWasLost: Bool { hasLostModel.load(ordering: .acquiring) }

    private func modelLost() {
        logger.critical(
            "the model's file was written over while it was in use: the worker ends, so that it answers nothing wrong",
            metadata: ["model": .string(options.servedName ?? "")])
        hasLostModel.store(true, ordering: .releasing)
        Task { await stop() }
    }

    /// Ends links and sequences at once. Returns when all is closed; may be called more than once.
    package func stop() async {
        guard !hasStopped.exchange(true, ordering: .acquiringAndReleasing) else { return await waitUntilStopped() }
        health.drain()
        watch.withLock { $0.take() }?.stop()
        let desk = desk
        try? await eventLoop.submit { desk.value.close() }.get()
        await listener.drain(within: .seconds(1))
        await metricsListener.close()
        if let engine = engine.withLock({ $0.take() }) { await end(engine) }
        if !hasDrained.exchange(true, ordering: .acquiringAndReleasing) { drained.succeed() }
        stopped.succeed()
    }

    /// Waits for the engine's thread, unless it hangs: the process ends anyway.
    private func end(_ engine: EngineThread) async {
        guard health.isAlive else { return }
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        try? await pool.runIfActive { engine.stop() }
        pool.shutdownGracefully { _ in }
    }

    package func waitUntilStopped() async { try? await stopped.futureResult.get() }
}
