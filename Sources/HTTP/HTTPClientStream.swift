package import NIOCore

/// One request of ours and its response, whatever the protocol version. Confined to its connection's event loop.
///
/// Set the callbacks right after `openStream` returns: nothing is delivered before the loop's next tick.
package protocol HTTPClientStream: AnyObject {
    var eventLoop: any EventLoop { get }
    var onHead: ((_ status: Int, _ headers: [HTTPField]) -> Void)? { get set }
    var onBody: ((ByteBuffer) -> Void)? { get set }
    var onTrailers: (([HTTPField]) -> Void)? { get set }
    /// Called exactly once, last; never from inside `write`, `finish` or `cancel`.
    var onClosed: ((HTTPStreamEnd) -> Void)? { get set }
    /// Request bytes that have not reached the socket.
    var unsentByteCount: Int { get }

    /// Appends to the request body. What is written in one tick of the loop leaves together.
    func write(_ bytes: ByteBuffer)
    /// Ends the request body.
    func finish()
    /// Gives the request up; `onClosed(.cancelled)` follows unless the stream ended before.
    func cancel()
}

/// A connection that opens streams. Two implementations: HTTP/1.1 and HTTP/2.
package protocol HTTPClientConnection: AnyObject {
    var eventLoop: any EventLoop { get }
    /// False once the connection is lost, closing, or told us to go away.
    var isUsable: Bool { get }
    /// Called once, when the connection is gone.
    var onClosed: (() -> Void)? { get set }
    /// Begins a request. `head.headers` may hold `host`, which becomes `:authority`; without it the connection's host
    /// stands in. `hasBody` false ends the request with its head.
    func openStream(_ head: HTTPRequestHead, hasBody: Bool) -> any HTTPClientStream
    func close()
}
