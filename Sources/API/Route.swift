import HTTP

/// One row of a route table: which request it answers, who may ask, and what answers.
struct Route: Sendable {
    enum Role: Sendable {
        /// The public port, for those who may ask models.
        case open
        /// Both ports, for administrators: keys of that role; where there are no keys, the admin port alone.
        case admin
        /// Both ports, for any caller that is known.
        case both
        /// Both ports; on the public one for those who may read metrics.
        case metrics
        /// Both ports, for anyone: probes, which say yes or no.
        case probe
    }

    var method: String
    /// A path, or a path with one `{id}`, which takes all that the rest of the pattern leaves, slashes included.
    let pattern: String
    var role: Role
    var handle: @Sendable (APICall) -> Void
    /// What stands around `{id}`; nil where the pattern has none.
    private let around: (prefix: String, suffix: String)?

    init(_ method: String, _ pattern: String, _ role: Role, _ handle: @escaping @Sendable (APICall) -> Void) {
        self.method = method
        self.pattern = pattern
        self.role = role
        self.handle = handle
        around = pattern.firstRange(of: "{id}").map { mark in
            (String(pattern[..<mark.lowerBound]), String(pattern[mark.upperBound...]))
        }
    }

    /// - Returns: what `{id}` stands for, decoded ("" where the pattern has none); nil when the path is another.
    func match(_ path: String) -> String? {
        guard let (prefix, suffix) = around else { return path == pattern ? "" : nil }
        guard path.utf8.count > prefix.utf8.count + suffix.utf8.count, path.hasPrefix(prefix), path.hasSuffix(suffix)
        else { return nil }
        return Self.percentDecoded(path.dropFirst(prefix.count).dropLast(suffix.count))
    }

    /// nil when an escape is broken or the bytes are not UTF-8. Source: RFC 3986, section 2.1.
    static func percentDecoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(Hex.value), let low = rest.popFirst().flatMap(Hex.value)
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

/// All rows of all dialects, and the choice among them.
enum RouteTable {
    static let all =
        OpenAIRoutes.table + ResponsesRoutes.table + MessagesRoutes.table + OllamaRoutes.table + KServeRoutes.table
        + AdminRoutes.table + OpenAPIDocument.table

    /// Those of the public port.
    static func open(_ options: APIOptions) -> [Route] {
        all.filter { options.servesMetricsPublicly || $0.role != .metrics }
    }

    enum Match {
        case route(Route, id: String)
        /// The path exists, the method there does not.
        case otherMethods([String])
        case none
    }

    /// The first pattern that the path matches decides; rows with the same pattern are its methods.
    static func match(method: String, path: String, among routes: [Route]) -> Match {
        var methods: [String] = []
        var pattern: String?
        for route in routes {
            guard pattern ?? route.pattern == route.pattern, let id = route.match(path) else { continue }
            pattern = route.pattern
            if route.method == method || (route.method == "GET" && method == "HEAD") { return .route(route, id: id) }
            methods.append(route.method)
            if route.method == "GET" { methods.append("HEAD") }
        }
        return methods.isEmpty ? .none : .otherMethods(methods)
    }
}
