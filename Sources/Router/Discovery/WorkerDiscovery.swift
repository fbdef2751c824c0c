/// Where a worker listens.
package struct WorkerAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package static func < (a: Self, b: Self) -> Bool { (a.host, a.port) < (b.host, b.port) }
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Knows which workers there are. Confined to the router's event loop.
///
/// Four kinds: a fixed list, names in DNS, a Service of Kubernetes, processes of this machine.
package protocol WorkerDiscovery: AnyObject {
    /// Begins to tell, at once or later, on the event loop. The observer is held weakly.
    func start(_ observer: any WorkerDiscoveryObserver)
    /// Tells nothing more.
    func stop()
}

/// Several discoveries may know of one address: a worker is expected there while any of them says so.
package protocol WorkerDiscoveryObserver: AnyObject {
    /// There may be a worker. Saying it twice changes nothing.
    func workerAppeared(at address: WorkerAddress, in discovery: any WorkerDiscovery)
    /// This discovery expects no worker there any more. One that is still linked serves on until its link breaks: a name
    /// server may be wrong, a link is not.
    func workerVanished(at address: WorkerAddress, in discovery: any WorkerDiscovery)
    /// The worker has been told to end, or will be within seconds: nothing new for it, and what it runs moves where there
    /// is room. Its link lives until it breaks, and this discovery expects none after it.
    func workerLeaving(at address: WorkerAddress, in discovery: any WorkerDiscovery)
    /// The worker's process has ended for certain, and this discovery expects no other there.
    func workerDied(at address: WorkerAddress, in discovery: any WorkerDiscovery)
}
