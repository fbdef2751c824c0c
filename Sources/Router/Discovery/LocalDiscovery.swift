package import Telemetry

/// Workers that this process started itself: told by its supervisor, which knows of their end before any socket does.
package final class LocalDiscovery: WorkerDiscovery {
    private let host: String
    /// After its own end, and after a kill because it hung.
    private let restarts: (exited: Counter, hung: Counter)?
    private var hung: Set<Place> = []
    private var running: [Place: WorkerAddress] = [:]
    private struct Place: Hashable {
        var group: String
        var index: Int
    }
    private weak var observer: (any WorkerDiscoveryObserver)?

    /// - Parameter host: where the workers listen.
    package init(host: String = "127.0.0.1", metrics: MetricRegistry? = nil) {
        self.host = host
        restarts = metrics.map { metrics in
            (
                metrics.counter(.workerRestarts, labels: ["exited"]),
                metrics.counter(.workerRestarts, labels: ["hung"])
            )
        }
    }

    package func start(_ observer: any WorkerDiscoveryObserver) {
        self.observer = observer
        for address in running.values.sorted() { observer.workerAppeared(at: address, in: self) }
    }

    package func stop() { observer = nil }

    /// To be called with every event of each supervisor, on the router's event loop.
    /// - Parameter group: tells supervisors apart.
    package func supervisorSaid(_ event: LocalSupervisor.Event, of group: String = "") {
        func place(_ index: Int) -> Place { Place(group: group, index: index) }
        switch event {
        case .workerStarted(let index, let port, _):
            forget(place(index))
            let address = WorkerAddress(host: host, port: port)
            running[place(index)] = address
            observer?.workerAppeared(at: address, in: self)
        case .workerHung(let index, _): hung.insert(place(index))
        case .workerExited(let index, _, _, let restart):
            forget(place(index))
            let wasHung = hung.remove(place(index)) != nil
            if restart != nil { (wasHung ? restarts?.hung : restarts?.exited)?.add() }
        case .workerNotStarted(let index, _, _): forget(place(index))
        case .workerFailed, .stopped: break
        }
    }

    private func forget(_ place: Place) {
        if let address = running.removeValue(forKey: place) { observer?.workerDied(at: address, in: self) }
    }
}
