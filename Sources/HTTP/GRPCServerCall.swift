package import NIOCore

/// One call of gRPC on an exchange: messages in, messages and a status out. Confined to the exchange's event loop.
///
/// The exchange's callbacks hold the call until the exchange is over. Set `onMessage`, `onEnd` and `onCancelled`, then
/// call `begin`, all before the handler returns.
package final class GRPCServerCall {
    /// "/package.Service/Method".
    package var path: String { exchange.request.path }
    package var eventLoop: any EventLoop { exchange.eventLoop }
    package var metadata: [HTTPField] { exchange.request.headers }
    /// What the client allows the call, from its start.
    package let timeout: TimeAmount?
    package var onMessage: ((ByteBuffer) -> Void)?
    /// The client has sent its last message.
    package var onEnd: (() -> Void)?
    /// Nothing can be answered any more: the client is gone, which is the status `cancelled`, or what it sent cannot be
    /// taken, which it has been told by the status. That has no word of the client's.
    package var onCancelled: ((GRPCStatus) -> Void)?

    /// Called once, when the call is over in any way.
    var onOver: (() -> Void)?

    /// What of a client's messages must come in time.
    package enum Pace: Sendable {
        /// Each, once it has begun.
        case messages
        /// The first; then as above.
        case first
        /// All, and their end.
        case whole
    }

    private let exchange: any HTTPExchange
    private let limits: GRPCMethodLimits
    private var deframer: GRPCDeframer
    private var pace = Pace.messages
    private var receivedByteCount = 0
    private var hasMessage = false
    private var hasSentHead = false
    private var isOver = false

    package init(_ exchange: any HTTPExchange, limits: GRPCMethodLimits = .init(messageByteCountMax: 8 << 20)) {
        self.exchange = exchange
        self.limits = limits
        deframer = GRPCDeframer(byteCountMax: limits.messageByteCountMax)
        timeout = exchange.request.header("grpc-timeout").flatMap(GRPCFraming.timeout)
    }

    /// Begins to read.
    package func begin(_ pace: Pace = .messages) {
        self.pace = pace
        exchange.onClientGone = { self.cancelled() }
        exchange.receiveBody { bytes in
            if let bytes { self.received(bytes) } else { self.ended() }
        }
        if !isOver { exchange.gathering(gatheredByteCount) }
    }

    /// nil while nothing need come.
    private var gatheredByteCount: Int? {
        switch pace {
        case .whole: receivedByteCount
        case .first where !hasMessage: deframer.byteCount
        case .first, .messages: deframer.isInsideMessage ? deframer.byteCount : nil
        }
    }

    /// Response bytes that have not reached the socket.
    package var unsentByteCount: Int { exchange.unsentByteCount }

    /// Sends one message. Several of one tick leave together.
    package func send(_ message: ByteBuffer) {
        guard !isOver else { return }
        if !hasSentHead {
            hasSentHead = true
            exchange.sendHead(status: 200, headers: Self.headFields)
        }
        exchange.write(GRPCFraming.frame(message))
    }

    /// Ends the call. A call without messages that failed is answered by trailers only.
    package func finish(_ status: GRPCStatus) {
        guard !isOver else { return }
        leave()
        if hasSentHead {
            exchange.finish(trailers: status.fields)
        } else {
            exchange.sendHead(status: 200, headers: Self.headFields + status.fields)
            exchange.finish(trailers: [])
        }
    }

    private static let headFields = [HTTPField("content-type", "application/grpc")]

    private func received(_ bytes: ByteBuffer) {
        receivedByteCount += bytes.readableBytes
        deframer.append(bytes)
        do throws(GRPCStatus) {
            while !isOver, let message = try deframer.next() {
                guard exchange.unsentByteCount <= limits.unsentByteCountMax else {
                    throw GRPCStatus(.resourceExhausted, "answers are read too slowly")
                }
                hasMessage = true
                if pace != .whole { exchange.gathering(nil) }
                onMessage?(message)
            }
            if !isOver { exchange.gathering(gatheredByteCount) }
        } catch {
            refuse(error)
        }
    }

    private func ended() {
        guard !isOver else { return }
        guard !deframer.isInsideMessage else {
            return refuse(GRPCStatus(.internalError, "the request ends inside a message"))
        }
        let end = onEnd
        onEnd = nil
        onMessage = nil
        end?()
    }

    private func refuse(_ status: GRPCStatus) {
        let cancelled = onCancelled
        finish(status)
        cancelled?(status)
    }

    private func cancelled() {
        guard !isOver else { return }
        let cancelled = onCancelled
        leave()
        cancelled?(GRPCStatus(.cancelled, "the client is gone"))
    }

    /// Lets go of everything that may hold this call in turn.
    private func leave() {
        isOver = true
        onMessage = nil
        onEnd = nil
        onCancelled = nil
        exchange.onClientGone = nil
        let over = onOver
        onOver = nil
        over?()
    }
}

extension GRPCServerCall {
    /// A unary call: collects the one message, then calls `handle`, which answers by `respond`.
    package func unary(_ handle: @escaping (ByteBuffer) -> Void) {
        var request: ByteBuffer?
        onMessage = { [unowned self] message in
            guard request == nil else { return self.refuse(Self.oneMessage) }
            request = message
        }
        onEnd = { [unowned self] in
            guard let request else { return self.refuse(Self.oneMessage) }
            handle(request)
        }
        begin(.whole)
    }

    private static let oneMessage = GRPCStatus(.unimplemented, "a unary call has one message")

    /// One message and OK.
    package func respond(_ message: ByteBuffer) {
        send(message)
        finish(GRPCStatus(.ok))
    }
}
