import HTTP

/// What a server's answer to a GET means for a download, by status and fields alone.
enum DownloadAnswer: Equatable {
    /// All of the file follows, of so many bytes if it says.
    case whole(byteCount: Int?)
    /// What follows goes on from the byte that was asked for.
    case rest(byteCount: Int)
    case redirect(String)
    /// What is there is all there is.
    case complete
    /// The server has other bytes than those that are there.
    case changed
    /// It may go better another time.
    case tryAgain(String)
    case refused(String)

    /// - Parameter offset: bytes that are there, from which the rest was asked for; 0 asked for all.
    init(status: Int, fields: [HTTPField], offset: Int) {
        func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }
        switch status {
        case 200: self = .whole(byteCount: field("content-length").flatMap { Int($0) })
        case 206:
            guard let range = Self.range(field("content-range")), range.first == offset, let total = range.total else {
                self = .changed
                return
            }
            self = .rest(byteCount: total)
        case 301, 302, 303, 307, 308:
            self = field("location").map { .redirect($0) } ?? .refused("it redirects (\(status)) to nowhere")
        case 416: self = Self.range(field("content-range"))?.total == offset ? .complete : .changed
        case 401, 403: self = .refused("it answered \(status): the file wants a token (HF_TOKEN), or another one")
        case 404: self = .refused("it answered 404: there is no such file")
        case 408, 429, 500...599: self = .tryAgain("it answered \(status)")
        default: self = .refused("it answered \(status)")
        }
    }

    /// `bytes FIRST-LAST/TOTAL` or `bytes */TOTAL`. Source: RFC 9110, section 14.4.
    private static func range(_ text: String?) -> (first: Int?, total: Int?)? {
        guard let text, text.hasPrefix("bytes ") else { return nil }
        let parts = text.dropFirst(6).split(separator: "/")
        guard parts.count == 2 else { return nil }
        return (parts[0].split(separator: "-").first.flatMap { Int($0) }, Int(parts[1]))
    }
}
