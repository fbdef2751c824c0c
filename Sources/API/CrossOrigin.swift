import HTTP

/// Which web pages' scripts may ask and read answers: those of these origins. A browser lets no other page's.
///
/// Says nothing about who may ask otherwise: keys do. Cookies are not used, so nobody is asked to send any. Source: Fetch
/// standard (WHATWG), section "HTTP CORS protocol".
package struct CrossOrigin: Sendable {
    private let origins: Set<String>
    private var allowsAll: Bool { origins.contains("*") }

    /// - Parameter origins: as browsers write them, such as "https://chat.example.org"; "*" is any.
    /// - Returns: nil where there are none.
    package init?(_ origins: [String]) {
        guard !origins.isEmpty else { return nil }
        self.origins = Set(origins)
    }

    /// What an answer says to the browser of a page that may read it.
    func fields(for request: HTTPRequestHead) -> [HTTPField] {
        guard let origin = request.header("origin") else { return [] }
        // A cache must not give one origin the answer to another.
        let vary = allowsAll ? [] : [HTTPField("vary", "origin")]
        guard allowsAll || origins.contains(origin) else { return vary }
        return vary + [
            HTTPField("access-control-allow-origin", allowsAll ? "*" : origin),
            HTTPField("access-control-expose-headers", "x-request-id, retry-after, traceresponse"),
        ]
    }

    /// What a browser is told that asks whether it may ask.
    /// - Parameter methods: those that the path has.
    /// - Returns: nil where it asks no such thing, or may not.
    func preflight(_ request: HTTPRequestHead, methods: [String]) -> [HTTPField]? {
        guard request.method == "OPTIONS", request.header("access-control-request-method") != nil,
            let origin = request.header("origin"), allowsAll || origins.contains(origin)
        else { return nil }
        var fields = [
            HTTPField("access-control-allow-methods", methods.joined(separator: ", ")),
            HTTPField("access-control-max-age", "\(Self.memorySeconds)"),
        ]
        // No header is refused. "*" would not do: it leaves out `authorization`.
        if let asked = request.header("access-control-request-headers"), asked.utf8.count <= Self.headerByteCountMax {
            fields.append(HTTPField("access-control-allow-headers", asked))
        }
        return fields
    }

    /// For so long a browser need not ask again.
    private static let memorySeconds = 600
    private static let headerByteCountMax = 1024
}
