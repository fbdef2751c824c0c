import COpenSSL

/// One SSL_CTX, configured once. Connections keep the one they began with.
///
// SENDABLE: the SSL_CTX is not changed after init, and OpenSSL counts its references atomically.
final class TLSContext: @unchecked Sendable {
    enum Side { case server, client }

    let pointer: OpaquePointer
    let options: TLSOptions
    let side: Side
    /// Protocols as ALPN writes them: a length byte before each name.
    private let protocolList: [UInt8]
    /// What the selection callback reads; lives as long as the context.
    private let selection: UnsafeMutableBufferPointer<UInt8>

    init(side: Side, options: TLSOptions) throws(TLSError) {
        ERR_clear_error()
        guard let context = SSL_CTX_new(side == .server ? TLS_server_method() : TLS_client_method()) else {
            throw .libraryFailed(reason: Self.lastError())
        }
        pointer = context
        self.options = options
        self.side = side
        protocolList = options.protocols.flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) }
        selection = .allocate(capacity: max(1, protocolList.count))
        selection.update(repeating: 0)
        for (index, byte) in protocolList.enumerated() { selection[index] = byte }
        try configure()
    }

    deinit {
        SSL_CTX_free(pointer)
        selection.deallocate()
    }

    private func configure() throws(TLSError) {
        apus_ssl_ctx_set_options(pointer)
        let version = options.minimumVersion == .tls13Only ? TLS1_3_VERSION : TLS1_2_VERSION
        guard apus_ssl_ctx_set_min_version(pointer, version) == 1 else {
            throw .libraryFailed(reason: Self.lastError())
        }
        SSL_CTX_set_verify_depth(pointer, 3)
        try loadCertificate()
        try loadAuthorities()
        switch side {
        case .server: offerProtocols()
        case .client: _ = SSL_CTX_set_alpn_protos(pointer, protocolList, UInt32(protocolList.count))
        }
    }

    private func loadCertificate() throws(TLSError) {
        switch (options.certificateFile, options.keyFile) {
        case (nil, nil):
            if side == .server { throw .certificateMissing }
        case (nil, _): throw .certificateMissing
        case (_, nil): throw .keyMissing
        case (let certificate?, let key?):
            guard SSL_CTX_use_certificate_chain_file(pointer, certificate) == 1 else {
                throw .certificateUnreadable(file: certificate, reason: Self.lastError())
            }
            // A mismatch shows when the key is loaded, so it is told from an unreadable file by OpenSSL's own code.
            guard SSL_CTX_use_PrivateKey_file(pointer, key, SSL_FILETYPE_PEM) == 1 else {
                let code = ERR_peek_last_error()
                let isMismatch =
                    code >> 23 & 0xff == UInt(ERR_LIB_X509)
                    && [UInt(X509_R_KEY_VALUES_MISMATCH), UInt(X509_R_KEY_TYPE_MISMATCH)].contains(code & 0x7f_ffff)
                let reason = Self.lastError()
                if isMismatch { throw .keyDoesNotMatch(certificate: certificate, key: key) }
                throw .keyUnreadable(file: key, reason: reason)
            }
            guard SSL_CTX_check_private_key(pointer) == 1 else {
                ERR_clear_error()
                throw .keyDoesNotMatch(certificate: certificate, key: key)
            }
        }
    }

    private func loadAuthorities() throws(TLSError) {
        if let file = options.authorityFile {
            guard SSL_CTX_load_verify_locations(pointer, file, nil) == 1 else {
                throw .authorityUnreadable(file: file, reason: Self.lastError())
            }
            if side == .server {
                SSL_CTX_set_client_CA_list(pointer, SSL_load_client_CA_file(file))
                SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
                _ = SSL_CTX_set_session_id_context(pointer, Array("apus".utf8), 4)
            }
        } else if side == .client {
            SSL_CTX_set_default_verify_paths(pointer)
        }
        if side == .client {
            SSL_CTX_set_verify(pointer, options.trustsAnyone ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nil)
        }
    }

    /// A client that offers ALPN with none of ours is refused; one without ALPN is taken for HTTP/1.1.
    private func offerProtocols() {
        // SAFETY: the argument is this context, which outlives every SSL made from it (each TLSHandler keeps it); the
        // answer points into `selection`, which lives as long.
        SSL_CTX_set_alpn_select_cb(
            pointer,
            { _, out, outLength, offered, offeredLength, argument in
                guard let out, let outLength, let argument else { return SSL_TLSEXT_ERR_ALERT_FATAL }
                let context = Unmanaged<TLSContext>.fromOpaque(argument).takeUnretainedValue()
                let ours = context.selection
                var chosen: UnsafeMutablePointer<UInt8>?
                let answer = SSL_select_next_proto(
                    &chosen, outLength, ours.baseAddress, UInt32(context.protocolList.count), offered, offeredLength)
                guard answer == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_ALERT_FATAL }
                out.pointee = UnsafePointer(chosen)
                return SSL_TLSEXT_ERR_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// OpenSSL's newest error in words; empties its queue.
    static func lastError() -> String {
        let code = ERR_peek_last_error()
        ERR_clear_error()
        guard code != 0, let reason = ERR_reason_error_string(code) else { return "no reason given" }
        return String(cString: reason)
    }
}
