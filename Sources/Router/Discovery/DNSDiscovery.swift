package import NIOCore

/// Workers behind a name with several addresses, as a headless service of Kubernetes has, or behind a service's SRV
/// records, which name hosts and ports.
///
/// The name is resolved again every few seconds. A name that cannot be resolved changes nothing: an outage of the name
/// server must not empty the pool.
package final class DNSDiscovery: WorkerDiscovery {
    /// All addresses of a name; fails where the name server does not answer. Completed on the discovery's event loop.
    package typealias Resolver = (_ name: String) -> EventLoopFuture<[String]>
    /// The hosts and ports that a name's SRV records give; the rest as of a ``Resolver``.
    package typealias ServiceResolver = (_ name: String) -> EventLoopFuture<[WorkerAddress]>

    private let interval: TimeAmount
    private let eventLoop: any EventLoop
    private let resolve: () -> EventLoopFuture<[WorkerAddress]>
    private weak var observer: (any WorkerDiscoveryObserver)?
    private var known: Set<WorkerAddress> = []
    private var timer: RepeatedTask?
    private var isResolving = false

    /// - Parameter interval: 5 s, which is how long Kubernetes' name server lets answers be kept by default.
    package init(
        name: String, port: Int, eventLoop: any EventLoop, interval: TimeAmount = .seconds(5),
        resolve: Resolver? = nil
    ) {
        self.interval = interval
        self.eventLoop = eventLoop
        let hosts = resolve ?? { HostResolver.addresses(of: $0, on: eventLoop) }
        self.resolve = { hosts(name).map { $0.map { WorkerAddress(host: $0, port: port) } } }
    }

    /// - Parameter service: the name of SRV records, such as "_link._tcp.apus-worker".
    package init(
        service: String, eventLoop: any EventLoop, interval: TimeAmount = .seconds(5),
        resolve: ServiceResolver? = nil
    ) {
        self.interval = interval
        self.eventLoop = eventLoop
        let addresses = resolve ?? { ServiceRecords.addresses(of: $0, on: eventLoop) }
        self.resolve = { addresses(service) }
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
        resolve().assumeIsolated().whenComplete { result in
            self.isResolving = false
            guard case .success(let addresses) = result, !addresses.isEmpty, let observer = self.observer else {
                return
            }
            let found = Set(addresses)
            let (new, missing) = (found.subtracting(self.known), self.known.subtracting(found))
            self.known = found
            for address in new.sorted() { observer.workerAppeared(at: address, in: self) }
            for address in missing.sorted() { observer.workerVanished(at: address, in: self) }
        }
    }
}
