package import NIOCore

/// Workers behind a name with several addresses, as a headless service of Kubernetes has.
///
/// The name is resolved again every few seconds. A name that cannot be resolved changes nothing: an outage of the name
/// server must not empty the pool.
package final class DNSDiscovery: WorkerDiscovery {
    /// All addresses of a name; fails where the name server does not answer. Completed on the discovery's event loop.
    package typealias Resolver = (_ name: String) -> EventLoopFuture<[String]>

    private let name: String
    private let port: Int
    private let interval: TimeAmount
    private let eventLoop: any EventLoop
    private let resolve: Resolver
    private weak var observer: (any WorkerDiscoveryObserver)?
    private var known: Set<WorkerAddress> = []
    private var timer: RepeatedTask?
    private var isResolving = false

    /// - Parameter interval: 5 s, which is how long Kubernetes' name server lets answers be kept by default.
    package init(
        name: String, port: Int, eventLoop: any EventLoop, interval: TimeAmount = .seconds(5),
        resolve: Resolver? = nil
    ) {
        self.name = name
        self.port = port
        self.interval = interval
        self.eventLoop = eventLoop
        self.resolve = resolve ?? { HostResolver.addresses(of: $0, on: eventLoop) }
    }

    package func start(_ observer: any WorkerDiscoveryObserver) {
        self.observer = observer
        let discovery = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: interval) { _ in discovery.value.look() }
    }

    package func stop() {
        timer?.cancel()
        timer = nil
        observer = nil
    }

    private func look() {
        guard !isResolving else { return }
        isResolving = true
        resolve(name).assumeIsolated().whenComplete { result in
            self.isResolving = false
            guard case .success(let hosts) = result, !hosts.isEmpty, let observer = self.observer else { return }
            let found = Set(hosts.map { WorkerAddress(host: $0, port: self.port) })
            let (new, missing) = (found.subtracting(self.known), self.known.subtracting(found))
            self.known = found
            for address in new.sorted() { observer.workerAppeared(at: address) }
            for address in missing.sorted() { observer.workerVanished(at: address) }
        }
    }
}
