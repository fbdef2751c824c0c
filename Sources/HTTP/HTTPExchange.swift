package import NIOCore

/// One request and its response, whatever the protocol version. Confined to its connection's event loop.
///
/// Two implementations: HTTP/1.1 and HTTP/2. Tests of the API have a recording one.
package protocol HTTPExchange: AnyObject {
    var request: HTTPRequestHead { get }
    var eventLoop: any EventLoop { get }

    /// Reads the whole request body, then calls once. A body over `limit` bytes ends in `.tooLarge` without being kept.
    /// At most one of `collectBody` and `receiveBody` may be used.
    func collectBody(limit: Int, _ done: @escaping (Result<ByteBuffer, HTTPBodyError>) -> Void)

    /// Hands over the body piece by piece, in order; `nil` is its end. For streams in both directions.
    func receiveBody(_ receive: @escaping (ByteBuffer?) -> Void)

    /// The reader of `receiveBody` tells what it has of something that is of no use before the rest comes: so many bytes,
    /// which may be none yet, or nil when there is no such thing. Until it is nil the body must come at the pace of one that
    /// is collected; if it does not, the exchange ends.
    func gathering(_ byteCount: Int?)

    /// Sends status and headers. Once. `content-length` is the caller's when it is known; HTTP/1.1 streams without it
    /// are chunked.
    func sendHead(status: Int, headers: [HTTPField])

    /// Appends to the response body. What is written in one tick of the loop leaves together.
    func write(_ bytes: ByteBuffer)

    /// Ends the response. HTTP/1.1 drops trailers (none of its dialects has them).
    func finish(trailers: [HTTPField])

    /// Gives the response up: RST_STREAM, or the connection closed.
    func abort()

    /// Bytes written that have not reached the socket, or up to 64 KiB more. For bounds on slow readers.
    var unsentByteCount: Int { get }

    /// Called once when the client is gone before `finish` (reset, closed, write timeout). Set it before returning from
    /// the handler.
    var onClientGone: (() -> Void)? { get set }

    /// Which connection it is on; nil when it is on none.
    var connection: ObjectIdentifier? { get }
}

extension HTTPExchange {
    package func gathering(_ byteCount: Int?) {}

    package var connection: ObjectIdentifier? { nil }

    /// A complete response.
    package func respond(status: Int, headers: [HTTPField], body: ByteBuffer) {
        sendHead(status: status, headers: headers + [HTTPField("content-length", String(body.readableBytes))])
        if body.readableBytes > 0 { write(body) }
        finish(trailers: [])
    }
}

/// Serves exchanges. Called on the connection's event loop.
package protocol HTTPHandler: AnyObject {
    func handle(_ exchange: any HTTPExchange)

    /// The listener has answered something that is no request, of which `handle` does not hear. By default nobody minds.
    /// - Parameter sentence: why; it has no word of the client's.
    func refused(status: Int, sentence: String, on eventLoop: any EventLoop)
}

extension HTTPHandler {
    package func refused(status: Int, sentence: String, on eventLoop: any EventLoop) {}
}

/// A header field; `name` is lower case.
package struct HTTPField: Equatable, Sendable {
    package var name: String
    package var value: String
    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// - Parameter other: in lower case.
    @inline(__always) func isNamed(_ other: String) -> Bool {
        // Lengths first: they tell most names apart without a call.
        name.utf8.count == other.utf8.count && name == other
    }
}

/// A class, as one request's head is handed from room to room.
package final class HTTPRequestHead: Equatable, Sendable {
    /// "GET", "POST" …
    package let method: String
    /// Path only, still percent-encoded, begins with "/". No "..", no "//", no backslash: such requests end at the door.
    package let path: String
    /// What follows "?", without it.
    package let query: String?
    package let headers: [HTTPField]
    /// 1 or 2.
    package let majorVersion: Int

    package init(method: String, path: String, query: String?, headers: [HTTPField], majorVersion: Int) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.majorVersion = majorVersion
    }

    /// The first field of that (lower-case) name.
    package func header(_ name: String) -> String? {
        for place in headers.indices where headers[place].isNamed(name) { return headers[place].value }
        return nil
    }

    package static func == (one: HTTPRequestHead, other: HTTPRequestHead) -> Bool {
        (one.method, one.path, one.query, one.headers, one.majorVersion)
            == (other.method, other.path, other.query, other.headers, other.majorVersion)
    }
}

package enum HTTPBodyError: Error, Equatable, Sendable {
    case tooLarge(limit: Int)
    /// The client went away or stalled in the middle of the body.
    case incomplete
    /// It cannot be read: what to answer.
    case refused(status: Int, sentence: String)
}
