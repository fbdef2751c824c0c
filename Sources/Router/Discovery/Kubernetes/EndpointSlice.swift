import JSON

/// What is wrong with an answer of the API server.
enum KubernetesError: Error, Equatable, CustomStringConvertible {
    /// `path` names the field: "items[3].endpoints"; "" is the whole.
    case malformed(path: String)
    case notJSON(String)

    var description: String {
        switch self {
        case .malformed(let path): path.isEmpty ? "it is no object" : "\(path) is not what it should be"
        case .notJSON(let message): message
        }
    }
}

/// Some of a Service's endpoints: `discovery.k8s.io/v1`, `EndpointSlice`.
struct EndpointSlice: Equatable, Sendable {
    enum Family: Equatable, Sendable {
        case four, six
        /// Names, which Kubernetes has given up, or a kind that is not known here: such endpoints are nobody's.
        case other
    }

    struct Endpoint: Equatable, Sendable {
        /// An endpoint's addresses are one machine's: the first stands for all.
        var host: String
        /// nil in the API counts as true.
        var isReady: Bool
        /// Its pod is being deleted. nil counts as false.
        var isTerminating: Bool
    }

    var name: String
    var resourceVersion: String
    var family: Family
    /// TCP ports by name.
    var ports: [String: Int]
    var endpoints: [Endpoint]
}

extension EndpointSlice {
    /// - Parameter path: where the object stands, for the error.
    init(_ value: JSONValue, at path: String) throws(KubernetesError) {
        let slice = try KubernetesObject(value, at: path)
        let metadata = try slice.object("metadata")
        name = try metadata.string("name")
        resourceVersion = try metadata.string("resourceVersion")
        guard !name.isEmpty, !resourceVersion.isEmpty else { throw .malformed(path: path + ".metadata") }
        switch try slice.string("addressType") {
        case "IPv4": family = .four
        case "IPv6": family = .six
        default: family = .other
        }
        ports = [:]
        for port in try slice.list("ports") {
            guard try port.optionalString("protocol") ?? "TCP" == "TCP", let number = try port.optionalInteger("port")
            else { continue }
            guard (1...65535).contains(number) else { throw .malformed(path: port.path + ".port") }
            ports[try port.optionalString("name") ?? ""] = number
        }
        endpoints = []
        for endpoint in try slice.list("endpoints") {
            guard case .array(let addresses)? = endpoint.fields["addresses"], case .string(let host)? = addresses.first
            else { throw .malformed(path: endpoint.path + ".addresses") }
            guard family == .other || AddressList.isLiteral(host), family != .four || !host.contains(":"),
                family != .six || host.contains(":")
            else { throw .malformed(path: endpoint.path + ".addresses") }
            let conditions = try endpoint.optionalObject("conditions")
            endpoints.append(
                Endpoint(
                    host: host, isReady: try conditions?.optionalBool("ready") ?? true,
                    isTerminating: try conditions?.optionalBool("terminating") ?? false))
        }
    }
}

/// A page of a list of slices.
struct EndpointSlicePage: Equatable, Sendable {
    var slices: [EndpointSlice]
    /// What the list is true of; a watch goes on from here.
    var resourceVersion: String
    /// What asks for the next page; nil for the last one.
    var next: String?

    init(_ body: [UInt8]) throws(KubernetesError) {
        let list = try KubernetesObject(parsing: body)
        // An object of another kind has no items either: it must not be taken for an empty list.
        guard try list.string("kind") == "EndpointSliceList" else { throw .malformed(path: "kind") }
        let metadata = try list.object("metadata")
        resourceVersion = try metadata.string("resourceVersion")
        guard !resourceVersion.isEmpty else { throw .malformed(path: "metadata.resourceVersion") }
        next = try metadata.optionalString("continue").flatMap { $0.isEmpty ? nil : $0 }
        slices = []
        for item in try list.list("items") {
            slices.append(try EndpointSlice(.object(item.fields), at: item.path))
        }
    }
}

/// One line of a watch.
enum EndpointSliceEvent: Equatable, Sendable {
    /// New or changed.
    case present(EndpointSlice)
    case deleted(name: String, resourceVersion: String)
    /// Nothing happened up to here.
    case bookmark(resourceVersion: String)
    /// 410: what the watch began from is too old.
    case failed(code: Int, message: String)

    init(_ line: [UInt8]) throws(KubernetesError) {
        let event = try KubernetesObject(parsing: line)
        guard let value = event.fields["object"] else { throw .malformed(path: "object") }
        switch try event.string("type") {
        case "ADDED", "MODIFIED": self = .present(try EndpointSlice(value, at: "object"))
        case "DELETED":
            let metadata = try event.object("object").object("metadata")
            self = .deleted(
                name: try metadata.string("name"), resourceVersion: try metadata.string("resourceVersion"))
        case "BOOKMARK":
            self = .bookmark(
                resourceVersion: try event.object("object").object("metadata").string("resourceVersion"))
        case "ERROR":
            let status = try event.object("object")
            self = .failed(
                code: try status.optionalInteger("code") ?? 0, message: try status.optionalString("message") ?? "")
        default: throw .malformed(path: "type")
        }
    }
}
