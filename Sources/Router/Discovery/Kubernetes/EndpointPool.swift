/// All slices of a Service, and the workers they make together.
struct EndpointPool: Equatable, Sendable {
    struct Workers: Equatable, Sendable {
        var ready: Set<WorkerAddress> = []
        /// Of pods that are being deleted.
        var leaving: Set<WorkerAddress> = []
        var isEmpty: Bool { ready.isEmpty && leaving.isEmpty }
    }

    private var slices: [String: EndpointSlice] = [:]

    /// Takes a list, which is all there is.
    mutating func replace(with list: [EndpointSlice]) {
        slices = Dictionary(list.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    }

    mutating func set(_ slice: EndpointSlice) { slices[slice.name] = slice }
    mutating func remove(_ name: String) { slices[name] = nil }

    /// Whether there are endpoints and no slice knows the port: a mistake of whoever named it.
    func lacksPort(_ port: String) -> Bool {
        slices.values.contains { !$0.endpoints.isEmpty } && !slices.values.contains { $0.ports[port] != nil }
    }

    /// An endpoint may be in several slices while the control plane moves it: one that says it is ready is enough.
    /// A pod with addresses of both kinds is one worker: IPv6 counts where there is no IPv4.
    func workers(port: String) -> Workers {
        let hasFour = slices.values.contains { $0.family == .four && !$0.endpoints.isEmpty }
        var workers = Workers()
        for slice in slices.values where slice.family == (hasFour ? .four : .six) {
            guard let number = slice.ports[port] else { continue }
            for endpoint in slice.endpoints {
                let address = WorkerAddress(host: endpoint.host, port: number)
                if endpoint.isTerminating {
                    workers.leaving.insert(address)
                } else if endpoint.isReady {
                    workers.ready.insert(address)
                }
            }
        }
        workers.leaving.subtract(workers.ready)
        return workers
    }
}
