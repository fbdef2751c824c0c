package import Telemetry

/// Workers that this process started itself: told by its supervisor, which knows of their end before any socket does.
package final class LocalDiscovery: WorkerDiscovery {
    private let host: String
    private let restarts: Counter?
    private var running: [Int: WorkerAddress] = [:]
    private weak var observer: (any WorkerDiscoveryObserver)?

    /// - Parameter host: where the workers listen.
    package init(host: String = "127.0.0.1", metrics: MetricRegistry? = nil) {
        self.host = host
        restarts = metrics?.counter(.workerRestarts)
    }

    package func start(_ observer: any WorkerDiscoveryObserver) {
        self.observer = observer
        for address in running.values.sorted() { observer.workerAppeared(at: address) }
    }

    package func stop() { observer = nil }

    /// To be called with every event of the supervisor, on the router's event loop.
    package func supervisorSaid(_ event: LocalSupervisor.Event) {
        switch event {
        case .workerStarted(let index, let port, _):
            forget(index)
            let address = WorkerAddress(host: host, port: port)
            running[index] = address
            observer?.workerAppeared(at: address)
        case .workerExited(let index, _, _, let restart):
            forget(index)
            if restart != nil { restarts?.add() }
        case .workerNotStarted(let index, _, _): forget(index)
        case .stopped: break
        }
    }

    private func forget(_ index: Int) {
        if let address = running.removeValue(forKey: index) { observer?.workerDied(at: address) }
    }
}
