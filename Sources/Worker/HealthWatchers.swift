import NIOCore
import WorkerProtocol

/// The states that `grpc.health.v1` knows of a worker, and those who watch them. Confined to one event loop.
///
/// "" and the worker's own name ask whether routers may send work; "liveness" whether the process is worth keeping.
final class HealthWatchers {
    static let readinessServices: Set = ["", "apus.worker.v1.Worker"]
    static let livenessService = "liveness"

    private struct Watcher {
        var service: String
        var told: HealthStatus
        var tell: (HealthStatus) -> Void
    }

    private let eventLoop: any EventLoop
    private let health: WorkerHealth
    private var watchers: [Int: Watcher] = [:]
    private var nextNumber = 0
    private var timer: Scheduled<Void>?

    init(eventLoop: any EventLoop, health: WorkerHealth) {
        self.eventLoop = eventLoop
        self.health = health
    }

    func status(of service: String) -> HealthStatus {
        if Self.readinessServices.contains(service) { return health.isReady ? .serving : .notServing }
        if service == Self.livenessService { return health.isAlive ? .serving : .notServing }
        return .serviceUnknown
    }

    /// Tells the state now and whenever it changes.
    /// - Returns: a number for ``unwatch(_:)``.
    func watch(_ service: String, tell: @escaping (HealthStatus) -> Void) -> Int {
        let now = status(of: service)
        let number = nextNumber
        nextNumber += 1
        watchers[number] = Watcher(service: service, told: now, tell: tell)
        if timer == nil { lookSoon() }
        tell(now)
        return number
    }

    /// An engine that hangs says nothing: its watchers must look.
    private func lookSoon() {
        timer = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(250)) { [weak self] in
            guard let self, !self.watchers.isEmpty else { return }
            self.look()
            self.lookSoon()
        }
    }

    func unwatch(_ number: Int) {
        watchers[number] = nil
        if watchers.isEmpty {
            timer?.cancel()
            timer = nil
        }
    }

    /// Tells watchers of changes since they were told.
    func look() {
        for (number, watcher) in watchers {
            let now = status(of: watcher.service)
            guard now != watcher.told else { continue }
            watchers[number]?.told = now
            watcher.tell(now)
        }
    }
}
