import Foundation

/// Where a model's file is fetched from.
struct DownloadSource: Sendable {
    var url: URL
    var fileName: String
    /// Shown to the host of `url` alone.
    var token: String?

    /// - Parameters:
    ///   - text: `hf:ORG/REPO/FILE`, `hf:ORG/REPO@REVISION/FILE`, or a URL of https or http.
    ///   - environment: HF_ENDPOINT and HF_TOKEN count for `hf:` names.
    init(_ text: String, environment: [String: String]) throws {
        if text.hasPrefix("hf:") {
            url = try Self.huggingFace(
                String(text.dropFirst(3)), environment["HF_ENDPOINT"] ?? "https://huggingface.co")
            token = environment["HF_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
            if let token, !token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
                throw Sentence(description: "HF_TOKEN must be visible ASCII characters without spaces.")
            }
        } else {
            guard let url = URL(string: text), url.isFetchable else {
                throw Sentence(
                    description: "'\(text)' is neither hf:ORG/REPO/FILE nor a URL that begins with https:// or http://."
                )
            }
            self.url = url
        }
        fileName = url.lastPathComponent
        guard !fileName.isEmpty, !fileName.hasPrefix("."), !fileName.contains("/"), fileName.utf8.count <= 240 else {
            throw Sentence(description: "'\(text)' does not end in a file's name.")
        }
    }

    private static func huggingFace(_ name: String, _ endpoint: String) throws -> URL {
        var parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let wrong = Sentence(description: "'hf:\(name)' must be hf:ORG/REPO/FILE or hf:ORG/REPO@REVISION/FILE.")
        guard parts.count >= 3 else { throw wrong }
        var revision = "main"
        if let at = parts[1].firstIndex(of: "@") {
            revision = String(parts[1][parts[1].index(after: at)...])
            parts[1] = String(parts[1][..<at])
        }
        let path = [parts[0], parts[1], "resolve", revision] + parts[2...]
        let isPlain = path.allSatisfy {
            !["", ".", ".."].contains($0) && !$0.utf8.contains { $0 < 0x20 || $0 == 0x7F }
        }
        guard isPlain else { throw wrong }
        guard let base = URL(string: endpoint), base.isFetchable else {
            throw Sentence(description: "HF_ENDPOINT must be a URL such as https://huggingface.co, not '\(endpoint)'.")
        }
        return path.reduce(base) { $0.appending(path: $1) }
    }
}

extension URL {
    /// Whether it can be asked for: https or http, with a host.
    var isFetchable: Bool { ["https", "http"].contains(scheme?.lowercased()) && host()?.isEmpty == false }

    var isSecure: Bool { scheme?.lowercased() == "https" }

    var effectivePort: Int { port ?? (isSecure ? 443 : 80) }

    /// Scheme, host and port: whom a secret is for.
    func hasSameOrigin(as other: URL) -> Bool {
        isSecure == other.isSecure && host()?.lowercased() == other.host()?.lowercased()
            && effectivePort == other.effectivePort
    }
}
