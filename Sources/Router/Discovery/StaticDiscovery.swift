/// Workers whose addresses never change.
package final class StaticDiscovery: WorkerDiscovery {
    private let addresses: [WorkerAddress]

    package init(_ addresses: [WorkerAddress]) {
        self.addresses = addresses
    }

    package func start(_ observer: any WorkerDiscoveryObserver) {
        for address in addresses { observer.workerAppeared(at: address, in: self) }
    }

    package func stop() {}
}
