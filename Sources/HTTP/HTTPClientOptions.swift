package import NIOCore

/// How a client treats its servers.
package struct HTTPClientOptions: Sendable {
    /// TCP and TLS each.
    package var connectTimeout = TimeAmount.seconds(1)
    /// A tunnel through it is made for each connection.
    package var proxy: HTTPProxy?
    /// Bytes of ours wait and none moves: the stream ends as `.timedOut`, or the connection is lost.
    package var sendProgress = TimeAmount.seconds(30)
    package var sweepInterval = TimeAmount.seconds(1)
    package var head = HTTPHeadLimits()
    /// The server is one of ours, so the limits are those of the cluster's inside.
    package var http2 = HTTP2Limits.internalLink

    package init() {}
}
