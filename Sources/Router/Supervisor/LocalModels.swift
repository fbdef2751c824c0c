package import Logging
package import NIOCore
package import Serving
package import Telemetry

/// The models of one machine: starts and stops a group of worker processes for each, and tells the router of them.
///
/// A group is all that a model has here, so that unloading one gives all its memory back and touches no other.
package final class LocalModels: ModelRepository {
    package struct Options: Sendable {
        /// How long a model's requests may take to end when it is unloaded.
        package var drainSeconds = 30.0
        /// From a worker's SIGTERM to its SIGKILL when nothing of its model is left to do.
        package var exitSeconds: Int64 = 5
        /// The program that the workers are; tests have another.
        package var executable: String?

        package init() {}
    }

    private let router: Router
    private let options: Options
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let discovery: LocalDiscovery
    private let offload: @Sendable (@escaping @Sendable () -> Void) -> Void
    private let groups: [LocalModelWorkers]
    private var timer: RepeatedTask?
    private var isStopping = false
    private var whenStopped: (() -> Void)?

    /// - Parameters:
    ///   - models: each with a name of its own.
    ///   - offload: runs work on a thread that may block.
    package init(
        _ models: [LocalModel], router: Router, options: Options, metrics: MetricRegistry, eventLoop: any EventLoop,
        logger: Logger, offload: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void
    ) {
        self.router = router
        self.options = options
        self.eventLoop = eventLoop
        self.logger = logger
        self.offload = offload
        discovery = LocalDiscovery(metrics: metrics)
        groups = models.sorted { $0.name < $1.name }.map { LocalModelWorkers($0) }
        router.start([discovery])
    }

    // MARK: - ModelRepository

    package var models: [RepositoryModel] {
        groups.map { group in
            let state: RepositoryModel.State =
                switch group.state {
                case .unloaded(let why): .unloaded(why: why)
                case .loading: .loading
                case .loaded: .loaded
                case .unloading: .unloading
                }
            return RepositoryModel(name: group.model.name, state: state)
        }
    }

    package func load(_ name: String, done: @escaping (RepositoryError?) -> Void) {
        guard let group = group(name) else { return done(.unknownModel(name)) }
        guard !isStopping else { return done(.failed(model: name, why: "The server is shutting down.")) }
        let answer = { (why: String?) in done(why.map { RepositoryError.failed(model: name, why: $0) }) }
        switch group.state {
        case .loaded: done(nil)
        case .unloading: done(.unloading(name))
        case .loading: group.whenLoaded.append(answer)
        case .unloaded:
            group.whenLoaded.append(answer)
            beginLoading(group)
            prepare(group)
        }
    }

    package func unload(_ name: String, done: @escaping (RepositoryError?) -> Void) {
        guard let group = group(name) else { return done(.unknownModel(name)) }
        switch group.state {
        case .unloaded: return done(nil)
        case .unloading: return group.whenUnloaded.append { done(nil) }
        case .loading, .loaded: break
        }
        group.whenUnloaded.append { done(nil) }
        retire(group, why: "unloaded", telling: "It was unloaded while it was being loaded.")
    }

    private func group(_ name: String) -> LocalModelWorkers? { groups.first { $0.model.name == name } }

    // MARK: - Loading

    /// Starts a model whose workers' arguments are known.
    /// - Parameter done: told the sentence of what went wrong.
    package func start(_ name: String, arguments: [String], done: @escaping (String?) -> Void) {
        guard let group = group(name), case .unloaded = group.state else { return }
        group.whenLoaded.append(done)
        beginLoading(group)
        startWorkers(group, arguments)
    }

    private func beginLoading(_ group: LocalModelWorkers) {
        group.state = .loading
        group.loadNumber += 1
        group.readyWorkerCount = 0
        group.failedStartCount = 0
        group.lastWords = nil
        logger.info("model loading", metadata: ["model": "\(group.model.name)"])
    }

    private func prepare(_ group: LocalModelWorkers) {
        let (prepare, number, loop) = (group.model.prepare, group.loadNumber, eventLoop)
        let bound = NIOLoopBound((self, group), eventLoop: eventLoop)
        offload {
            let result = Result { try prepare() }.mapError { Described(sentence: "\($0)") }
            loop.execute {
                let (models, group) = bound.value
                guard !models.isStopping, group.loadNumber == number, case .loading = group.state else { return }
                switch result {
                case .success(let arguments): models.startWorkers(group, arguments)
                case .failure(let error):
                    group.state = .unloaded(why: error.sentence)
                    models.failed(group, error.sentence)
                }
            }
        }
    }

    private struct Described: Error { var sentence: String }

    private func startWorkers(_ group: LocalModelWorkers, _ arguments: [String]) {
        router.admit(group.model.name)
        var supervised = LocalSupervisor.Options(arguments: arguments, workerCount: group.model.workerCount)
        if let executable = options.executable { supervised.executable = executable }
        do throws(SpawnError) {
            group.supervisor = try LocalSupervisor(options: supervised, eventLoop: eventLoop) {
                [weak self] event in self?.hear(event, of: group)
            }
        } catch {
            let why = "The system has no pipe or thread for its workers (errno \(error.errorCode))."
            group.state = .unloaded(why: why)
            return failed(group, why)
        }
        watch()
    }

    private func failed(_ group: LocalModelWorkers, _ why: String) {
        logger.warning("model not loaded", metadata: ["model": "\(group.model.name)", "why": "\(why)"])
        group.answerLoads(why)
    }

    private func hear(_ event: LocalSupervisor.Event, of group: LocalModelWorkers) {
        group.count(event)
        if case .workerExited(let index, let status, _, let restart) = event {
            logger.log(
                level: restart == nil ? .debug : .warning, "worker ended",
                metadata: [
                    "model": "\(group.model.name)", "worker": "\(index)", "status": "\(status)",
                    "restart_ms": "\(restart ?? -1)",
                ])
        }
        if case .workerHung(let index, let why) = event {
            logger.warning(
                "worker hangs: it is killed and started again",
                metadata: ["model": "\(group.model.name)", "worker": "\(index)", "why": "\(why)"])
        }
        discovery.supervisorSaid(event, of: group.model.name)
        if case .stopped = event { ended(group) }
    }

    /// Looks at what no event tells, until nothing is on its way.
    private func watch() {
        guard timer == nil else { return }
        let bound = NIOLoopBound(Weak(self), eventLoop: eventLoop)
        timer = eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(10), delay: .milliseconds(10)) { _ in
            bound.value.object?.look()
        }
    }

    private func look() {
        var isWaiting = false
        for group in groups {
            guard case .loading = group.state, group.supervisor != nil else { continue }
            let name = group.model.name
            if router.isReady(name) {
                group.state = .loaded
                logger.info("model loaded", metadata: ["model": "\(name)"])
                group.answerLoads(nil)
            } else if group.hasFailed {
                let why = group.lastWords ?? "No worker starts."
                logger.warning("model not loaded", metadata: ["model": "\(name)", "why": "\(why)"])
                retire(group, why: why, telling: why)
            } else {
                isWaiting = true
            }
        }
        guard !isWaiting else { return }
        timer?.cancel()
        timer = nil
    }

    // MARK: - Unloading

    /// - Parameters:
    ///   - why: what its state says afterwards.
    ///   - telling: what those hear who wait for it to be loaded.
    private func retire(_ group: LocalModelWorkers, why: String, telling: String) {
        let name = group.model.name
        logger.info("model unloading", metadata: ["model": "\(name)"])
        guard group.supervisor != nil else {
            group.state = .unloaded(why: why)
            group.answerLoads(telling)
            return group.answerUnloads()
        }
        group.state = .unloading(why: why)
        router.retire(name, within: options.drainSeconds) { [weak self] in self?.end(group) }
        group.answerLoads(telling)
    }

    private func end(_ group: LocalModelWorkers) {
        group.supervisor?.terminate()
        let (bound, number) = (NIOLoopBound(group, eventLoop: eventLoop), group.loadNumber)
        eventLoop.scheduleTask(in: .seconds(options.exitSeconds)) {
            if bound.value.loadNumber == number { bound.value.supervisor?.kill() }
        }
    }

    private func ended(_ group: LocalModelWorkers) {
        group.supervisor = nil
        if case .unloading(let why) = group.state {
            group.state = .unloaded(why: why)
            router.forget(group.model.name)
            logger.info("model unloaded", metadata: ["model": "\(group.model.name)"])
        }
        group.answerUnloads()
        guard let whenStopped, groups.allSatisfy({ $0.supervisor == nil }) else { return }
        self.whenStopped = nil
        whenStopped()
    }

    // MARK: - The whole

    /// Whether all workers of these models are ready.
    package func areReady(_ names: [String]) -> Bool {
        groups.allSatisfy { group in
            !names.contains(group.model.name)
                || group.readyWorkerCount == group.model.workerCount && router.isReady(group.model.name)
        }
    }

    /// Ends all workers: with SIGTERM, and with SIGKILL two seconds later.
    /// - Parameter whenStopped: called once on the event loop when none is left.
    package func stop(_ whenStopped: @escaping () -> Void) {
        isStopping = true
        timer?.cancel()
        timer = nil
        for group in groups { group.answerLoads("The server is shutting down.") }
        let running = groups.filter { $0.supervisor != nil }
        guard !running.isEmpty else { return whenStopped() }
        self.whenStopped = whenStopped
        for group in running { group.supervisor?.terminate() }
        let bound = NIOLoopBound(running, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .seconds(2)) { for group in bound.value { group.supervisor?.kill() } }
    }
}
