/// What a TLS endpoint shows and demands. Files are PEM.
package struct TLSOptions: Sendable, Equatable {
    package enum Version: Sendable {
        /// For the outside.
        case tls12OrLater
        /// For links inside the cluster.
        case tls13Only
    }

    /// Certificate chain, the leaf first. Servers need it; clients only where the server demands one.
    package var certificateFile: String?
    package var keyFile: String?
    /// Authorities that sign peers. A server that has it demands a certificate from every client; a client without it
    /// trusts the system's authorities.
    package var authorityFile: String?
    package var minimumVersion = Version.tls12OrLater
    /// In order of preference; the listener speaks what is chosen.
    package var protocols = ["h2", "http/1.1"]
    /// A URI that the peer's certificate must name, exactly. A client that has it does not look at the host's name, which
    /// certificates of pods cannot carry. Source: SPIFFE X.509-SVID, section 2.
    package var peerURI: String?
    /// Clients: any server is good, as for one that asks a process of its own machine whether it lives.
    package var trustsAnyone = false
    /// Clients: the name the server's certificate must carry, when it is not the host dialled.
    package var serverName: String?

    package init(
        certificateFile: String? = nil, keyFile: String? = nil, authorityFile: String? = nil,
        minimumVersion: Version = .tls12OrLater
    ) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.authorityFile = authorityFile
        self.minimumVersion = minimumVersion
    }

    /// Either end of a link inside the cluster.
    package static func link(certificateFile: String?, keyFile: String?, authorityFile: String?) -> TLSOptions {
        var options = TLSOptions(
            certificateFile: certificateFile, keyFile: keyFile, authorityFile: authorityFile,
            minimumVersion: .tls13Only)
        options.protocols = ["h2"]
        return options
    }
}

/// Why certificates could not be used.
package enum TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    case certificateMissing
    case keyMissing
    case certificateUnreadable(file: String, reason: String)
    case keyUnreadable(file: String, reason: String)
    case keyDoesNotMatch(certificate: String, key: String)
    case authorityUnreadable(file: String, reason: String)
    case libraryFailed(reason: String)

    package var description: String {
        switch self {
        case .certificateMissing: "TLS needs a certificate file beside the key file."
        case .keyMissing: "TLS needs a key file beside the certificate file."
        case .certificateUnreadable(let file, let reason):
            "The certificate file \(file) holds no PEM certificate that can be read (\(reason))."
        case .keyUnreadable(let file, let reason):
            "The key file \(file) holds no PEM private key that can be read (\(reason))."
        case .keyDoesNotMatch(let certificate, let key):
            "The private key in \(key) does not belong to the certificate in \(certificate)."
        case .authorityUnreadable(let file, let reason):
            "The authority file \(file) holds no PEM certificate that can be read (\(reason))."
        case .libraryFailed(let reason): "OpenSSL refused its configuration (\(reason))."
        }
    }
}
