package import NIOCore

/// One call of ours on an HTTP/2 connection. Confined to the connection's event loop. Set the callbacks right after
/// `init`: nothing is delivered before the loop's next tick.
package final class GRPCClientCall {
    package var onMessage: ((ByteBuffer) -> Void)?
    /// Called exactly once, last. A connection lost, a reset or a missing status is `.unavailable` or another code that
    /// says so; never nothing.
    package var onStatus: ((GRPCStatus) -> Void)?
    private let stream: any HTTPClientStream
    private var deframer: GRPCDeframer
    private var status: GRPCStatus?
    private var httpStatus = 0

    /// `timeout` is sent for the server to keep; keeping it here as well is the caller's.
    package init(
        _ connection: HTTP2ClientConnection, path: String, metadata: [HTTPField] = [], timeout: TimeAmount? = nil,
        messageByteCountMax: Int = 8 << 20
    ) {
        var headers = [HTTPField("content-type", "application/grpc"), HTTPField("te", "trailers")] + metadata
        if let timeout { headers.append(HTTPField("grpc-timeout", Self.text(timeout))) }
        let head = HTTPRequestHead(method: "POST", path: path, query: nil, headers: headers, majorVersion: 2)
        deframer = GRPCDeframer(byteCountMax: messageByteCountMax)
        stream = connection.openStream(head, hasBody: true)
        stream.onHead = { status, headers in self.headArrived(status, headers) }
        stream.onBody = { self.bodyArrived($0) }
        stream.onTrailers = { trailers in
            if self.status == nil { self.status = GRPCStatus(fields: trailers) }
        }
        stream.onClosed = { self.closed($0) }
    }

    package var unsentByteCount: Int { stream.unsentByteCount }

    package func send(_ message: ByteBuffer) {
        stream.write(GRPCFraming.frame(message))
    }

    package func send(_ message: [UInt8]) {
        stream.write(GRPCFraming.frame(message))
    }

    package func finishSending() {
        stream.finish()
    }

    /// `onStatus(.cancelled)` follows unless the call ended before.
    package func cancel() {
        stream.cancel()
    }

    /// Milliseconds, of which eight digits are allowed; longer than that in seconds.
    private static func text(_ timeout: TimeAmount) -> String {
        let milliseconds = max(1, timeout.nanoseconds / 1_000_000)
        return milliseconds <= 99_999_999 ? "\(milliseconds)m" : "\(min(milliseconds / 1000, 99_999_999))S"
    }

    private func headArrived(_ status: Int, _ headers: [HTTPField]) {
        httpStatus = status
        self.status = GRPCStatus(fields: headers)
        if status == 200, self.status == nil, !GRPCFraming.isGRPC(headers.first { $0.name == "content-type" }?.value) {
            fail(GRPCStatus(.unknown, "the server's answer is not gRPC"))
        }
    }

    private func bodyArrived(_ bytes: ByteBuffer) {
        guard status == nil, httpStatus == 200 else { return }
        deframer.append(bytes)
        do throws(GRPCStatus) {
            while status == nil, let message = try deframer.next() { onMessage?(message) }
        } catch {
            fail(error)
        }
    }

    private func fail(_ status: GRPCStatus) {
        self.status = status
        stream.cancel()
    }

    private func closed(_ end: HTTPStreamEnd) {
        let final = status ?? Self.status(of: end, httpStatus: httpStatus)
        let done = onStatus
        onMessage = nil
        onStatus = nil
        done?(final)
    }

    /// Source: grpc doc/PROTOCOL-HTTP2.md, Errors.
    private static func status(of end: HTTPStreamEnd, httpStatus: Int) -> GRPCStatus {
        switch end {
        case .complete:
            httpStatus == 200
                ? GRPCStatus(.unknown, "the server ended the call without a status")
                : GRPCStatus(httpStatus: httpStatus)
        case .refused: GRPCStatus(.unavailable, "the server did not take the call")
        case .connectionLost: GRPCStatus(.unavailable, "the connection was lost")
        case .timedOut: GRPCStatus(.unavailable, "the server did not read the call")
        case .cancelled: GRPCStatus(.cancelled, "the call was cancelled")
        case .malformed: GRPCStatus(.internalError, "the server's answer is malformed")
        case .reset(let code): GRPCStatus(statusCode(ofReset: code), "the server reset the call with code \(code)")
        }
    }

    private static func statusCode(ofReset code: UInt32) -> GRPCStatusCode {
        switch code {
        case 7: .unavailable
        case 8: .cancelled
        case 11: .resourceExhausted
        case 12: .permissionDenied
        default: .internalError
        }
    }
}
