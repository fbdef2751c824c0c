import Foundation
import HTTP

/// Which proxy leads to a host, as the environment says: HTTPS_PROXY, http_proxy and HTTP_PROXY, NO_PROXY, in capitals or
/// small letters.
struct ProxySettings: Sendable {
    private let secure: HTTPProxy?
    private let plain: HTTPProxy?
    /// Hosts that are asked directly: names, which stand for what is below them too, or "*" for all.
    private let direct: [String]

    init(environment: [String: String]) throws {
        func value(_ name: String) -> String? {
            (environment[name.lowercased()] ?? environment[name]).flatMap { $0.isEmpty ? nil : $0 }
        }
        secure = try value("HTTPS_PROXY").map { try Self.proxy($0, "HTTPS_PROXY") }
        plain = try value("HTTP_PROXY").map { try Self.proxy($0, "HTTP_PROXY") }
        direct = (value("NO_PROXY") ?? "").split(separator: ",").map { entry in
            let name = entry.filter { $0 != " " }.lowercased()
            return name.hasPrefix(".") ? String(name.dropFirst()) : name
        }
    }

    func proxy(for url: URL) -> HTTPProxy? {
        let host = url.host()?.lowercased() ?? ""
        let isDirect = direct.contains { !$0.isEmpty && ($0 == "*" || host == $0 || host.hasSuffix("." + $0)) }
        return isDirect ? nil : url.isSecure ? secure : plain
    }

    private static func proxy(_ text: String, _ name: String) throws -> HTTPProxy {
        guard let url = URL(string: text.contains("://") ? text : "http://" + text), url.scheme?.lowercased() == "http",
            let host = url.host(), !host.isEmpty
        else { throw Sentence(description: "\(name) must be a URL such as http://proxy:3128, not '\(text)'.") }
        let credentials = url.user(percentEncoded: false).map { "\($0):\(url.password(percentEncoded: false) ?? "")" }
        return HTTPProxy(
            host: host, port: url.port ?? 3128,
            authorization: credentials.map { "Basic \(Data($0.utf8).base64EncodedString())" })
    }
}
