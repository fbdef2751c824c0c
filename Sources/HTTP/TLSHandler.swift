import COpenSSL
import NIOCore
import NIOTLS

/// TLS by OpenSSL between a socket and a session; both sides.
///
/// Plaintext above, ciphertext below. Fires `TLSUserEvent.handshakeCompleted` when the handshake is done, closes the
/// channel with a `TLSHandshakeError` when it fails. Writes before that wait. At most `plaintextPieceMax` bytes are
/// encrypted at a time; what is flushed in one go leaves as one write.
final class TLSHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State { case handshaking, open, closed }

    private let tls: TLSContext
    private let buffers = TLSBuffers()
    private let serverName: String?
    private var ssl: OpaquePointer?
    private var state = State.handshaking
    private var waiting: [(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)] = []
    private var flushesAfterHandshake = false

    /// `serverName` is what a client dials: the name to send and to find in the certificate.
    init(_ tls: TLSContext, serverName: String? = nil) {
        self.tls = tls
        self.serverName = tls.options.serverName ?? serverName
    }

    deinit {
        if let ssl { SSL_free(ssl) }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard ssl == nil, state == .handshaking else { return }
        ERR_clear_error()
        guard let session = SSL_new(tls.pointer), let bio = buffers.makeBIO() else {
            return fail(context, reason: TLSContext.lastError())
        }
        ssl = session
        SSL_set_bio(session, bio, bio)
        switch tls.side {
        case .server: SSL_set_accept_state(session)
        case .client:
            SSL_set_connect_state(session)
            if let serverName { expectServer(serverName, session) }
        }
        shakeHands(context)
    }

    /// Addresses are compared with the certificate's addresses, names with its names. Where the peer is known by its URI,
    /// the place it is found at means nothing.
    private func expectServer(_ name: String, _ session: OpaquePointer) {
        let isKnownByURI = tls.options.peerURI != nil && tls.options.serverName == nil
        if (try? SocketAddress(ipAddress: name, port: 0)) != nil {
            if !isKnownByURI { X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name) }
        } else {
            _ = apus_ssl_set_server_name(session, name)
            if !isKnownByURI { SSL_set1_host(session, name) }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard state != .closed else { return }
        var bytes = unwrapInboundIn(data)
        if buffers.received.readableBytes == 0 {
            buffers.received = bytes
        } else {
            buffers.received.writeBuffer(&bytes)
        }
        if state == .handshaking { shakeHands(context) }
        if state == .open { readPlaintext(context) }
    }

    private func shakeHands(_ context: ChannelHandlerContext) {
        guard let ssl else { return }
        ERR_clear_error()
        let answer = SSL_do_handshake(ssl)
        let error = answer == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, answer)
        sendCiphertext(context)
        if answer == 1 {
            guard hasExpectedPeer(ssl) else {
                return fail(context, reason: "the peer's certificate does not carry the expected URI")
            }
            state = .open
            context.fireUserInboundEventTriggered(TLSUserEvent.handshakeCompleted(negotiatedProtocol: chosenProtocol()))
            writeWaiting(context)
        } else if error != SSL_ERROR_WANT_READ {
            fail(context, reason: failureReason(ssl))
        }
    }

    private func hasExpectedPeer(_ ssl: OpaquePointer) -> Bool {
        guard let uri = tls.options.peerURI else { return true }
        let bytes = Array(uri.utf8)
        return apus_ssl_peer_has_uri(ssl, bytes, bytes.count) == 1
    }

    private func chosenProtocol() -> String? {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &length)
        // SAFETY: OpenSSL owns these bytes as long as the SSL; they are copied here.
        return name.map { String(decoding: UnsafeBufferPointer(start: $0, count: Int(length)), as: UTF8.self) }
    }

    private func failureReason(_ ssl: OpaquePointer) -> String {
        let verification = SSL_get_verify_result(ssl)
        if verification != Int(X509_V_OK), let text = X509_verify_cert_error_string(verification) {
            ERR_clear_error()
            return String(cString: text)
        }
        return TLSContext.lastError()
    }

    private func fail(_ context: ChannelHandlerContext, reason: String) {
        guard state != .closed else { return }
        let wasOpen = state == .open
        state = .closed
        failWaiting()
        if !wasOpen { context.fireErrorCaught(TLSHandshakeError(reason: reason)) }
        context.close(promise: nil)
    }

    private func readPlaintext(_ context: ChannelHandlerContext) {
        while state == .open, let ssl {
            var piece = context.channel.allocator.buffer(capacity: Self.plaintextPieceMax)
            ERR_clear_error()
            // SAFETY: OpenSSL writes at most the given count into the buffer's own room.
            var answer: Int32 = 0
            piece.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.plaintextPieceMax) { room in
                answer = SSL_read(ssl, room.baseAddress, Int32(clamping: room.count))
                return Int(max(0, answer))
            }
            guard answer <= 0 else {
                context.fireChannelRead(wrapInboundOut(piece))
                continue
            }
            let error = SSL_get_error(ssl, answer)
            // Keys may be updated while reading; the answer to that is ciphertext too.
            sendCiphertext(context)
            if SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0 {
                state = .closed
                context.close(promise: nil)
            } else if error == SSL_ERROR_SSL {
                fail(context, reason: TLSContext.lastError())
            }
            return
        }
    }

    private static let plaintextPieceMax = 16 << 10

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard state != .closed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        waiting.append((unwrapOutboundIn(data), promise))
    }

    func flush(context: ChannelHandlerContext) {
        guard state == .open else {
            flushesAfterHandshake = true
            return
        }
        encryptWaiting(context)
    }

    private func writeWaiting(_ context: ChannelHandlerContext) {
        if flushesAfterHandshake { encryptWaiting(context) }
    }

    private func encryptWaiting(_ context: ChannelHandlerContext) {
        guard let ssl, !waiting.isEmpty else { return }
        let pieces = waiting
        waiting.removeAll(keepingCapacity: true)
        let byteCount = pieces.reduce(0) { $0 + $1.bytes.readableBytes }
        buffers.toSend.reserveCapacity(minimumWritableBytes: byteCount + (byteCount / Self.plaintextPieceMax + 1) * 64)
        let promise = context.eventLoop.makePromise(of: Void.self)
        var hasPromise = false
        for (bytes, written) in pieces {
            if let written {
                hasPromise = true
                promise.futureResult.cascade(to: written)
            }
            guard encrypt(bytes, ssl) else {
                promise.fail(ChannelError.ioOnClosedChannel)
                return fail(context, reason: TLSContext.lastError())
            }
        }
        if !hasPromise { promise.succeed() }
        let ciphertext = buffers.toSend
        buffers.toSend = ByteBuffer()
        context.writeAndFlush(wrapOutboundOut(ciphertext), promise: hasPromise ? promise : nil)
    }

    private func encrypt(_ bytes: ByteBuffer, _ ssl: OpaquePointer) -> Bool {
        var bytes = bytes
        ERR_clear_error()
        while bytes.readableBytes > 0 {
            // SAFETY: OpenSSL reads at most the given count of the readable bytes and keeps no pointer.
            let count = bytes.readWithUnsafeReadableBytes { readable in
                Int(max(0, SSL_write(ssl, readable.baseAddress, Int32(clamping: readable.count))))
            }
            guard count > 0 else { return false }
        }
        return true
    }

    private func sendCiphertext(_ context: ChannelHandlerContext) {
        guard buffers.toSend.readableBytes > 0 else { return }
        let ciphertext = buffers.toSend
        buffers.toSend = ByteBuffer()
        context.writeAndFlush(wrapOutboundOut(ciphertext), promise: nil)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode != .input, state == .open, let ssl {
            encryptWaiting(context)
            ERR_clear_error()
            _ = SSL_shutdown(ssl)
            sendCiphertext(context)
            if mode == .all { state = .closed }
        }
        context.close(mode: mode, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if state == .handshaking {
            context.fireErrorCaught(TLSHandshakeError(reason: "the peer closed the connection"))
        }
        state = .closed
        failWaiting()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        failWaiting()
    }

    private func failWaiting() {
        let pieces = waiting
        waiting.removeAll()
        for piece in pieces { piece.promise?.fail(ChannelError.ioOnClosedChannel) }
    }
}

/// A handshake that did not come to its end.
struct TLSHandshakeError: Error, Equatable {
    var reason: String
}
