/// Why a listener could not be opened.
package enum HTTPListenError: Error, Equatable, Sendable, CustomStringConvertible {
    case portInUse(host: String, port: Int)
    case badHost(String)
    /// The address is not one of this machine.
    case addressNotAvailable(host: String, port: Int)
    case notPermitted(host: String, port: Int)
    case failed(host: String, port: Int, errno: Int32)

    package var description: String {
        switch self {
        case .portInUse(let host, let port):
            "Port \(port) on \(host) is in use by another program; choose another port or stop that program."
        case .badHost(let host):
            "\"\(host)\" is not an address or a host name that resolves."
        case .addressNotAvailable(let host, let port):
            "\(host):\(port) is not an address of this machine."
        case .notPermitted(let host, let port):
            "This user may not listen on \(host):\(port); ports below 1024 need a privilege."
        case .failed(let host, let port, let errno):
            "Listening on \(host):\(port) failed with errno \(errno)."
        }
    }
}

/// Why a connection to a server could not be made, or was lost.
package enum HTTPConnectError: Error, Equatable, Sendable, CustomStringConvertible {
    case badHost(String)
    case refused(host: String, port: Int)
    case timedOut(host: String, port: Int)
    /// The TLS handshake failed: a certificate refused on one side, no common version, not TLS at all.
    case tls(host: String, port: Int, reason: String)
    /// The server speaks TLS but not the protocol asked for.
    case protocolNotOffered(host: String, port: Int)
    case failed(host: String, port: Int, reason: String)

    package var description: String {
        switch self {
        case .badHost(let host): "\"\(host)\" is not an address or a host name that resolves."
        case .refused(let host, let port): "Nothing listens on \(host):\(port)."
        case .timedOut(let host, let port): "\(host):\(port) did not answer in time."
        case .tls(let host, let port, let reason): "The TLS handshake with \(host):\(port) failed: \(reason)."
        case .protocolNotOffered(let host, let port): "\(host):\(port) does not offer HTTP/2."
        case .failed(let host, let port, let reason): "Connecting to \(host):\(port) failed: \(reason)."
        }
    }
}

/// How a stream of a client ended.
package enum HTTPStreamEnd: Equatable, Sendable {
    /// The response is whole.
    case complete
    /// The server never processed the request (REFUSED_STREAM, or above the last stream of its GOAWAY): it may be sent
    /// again without harm.
    case refused
    /// The server reset the stream; an error code of RFC 9113 7.
    case reset(code: UInt32)
    /// We cancelled it.
    case cancelled
    case connectionLost
    /// Not HTTP as it should be.
    case malformed
    /// The server did not read what we sent for too long.
    case timedOut
}
