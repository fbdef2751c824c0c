/// Settings that several programs share.
package enum CommonKeys {
    package static let logLevel = Key<String>.choice(
        "log-level", "Least severe messages to log.", of: ["trace", "debug", "info", "warning", "error"],
        default: "info")
    package static let logFormat = Key<String>.choice(
        "log-format", "How log lines look: for people, or as JSON, an object a line.", of: ["text", "json"],
        default: "text")
    package static let drainTimeout = Key<Double>.seconds(
        "drain-timeout", "After SIGTERM, running streams may take this long to end or move.", default: 30, in: 0...3600)

    package static let names = [logLevel.name, logFormat.name, drainTimeout.name]
}

/// Settings of TLS on the port of metrics and health. The first two together turn it on.
package enum AdminTLSKeys {
    package static let certificate = Key<String>.text(
        "admin-tls-cert", "PEM file with the certificate chain of the port of metrics and health; turns TLS on there.",
        "FILE")
    package static let key = Key<String>.text(
        "admin-tls-key", "PEM file with that certificate's private key.", "FILE")
    package static let authority = Key<String>.text(
        "admin-tls-ca",
        "PEM file with the authorities that whoever asks there must have a certificate from, probes too. Without it none is "
            + "asked for.", "FILE")

    package static let names = [certificate.name, key.name, authority.name]
}

/// Settings of TLS between routers and workers. All three together turn it on, on both sides.
package enum LinkTLSKeys {
    package static let certificate = Key<String>.text(
        "link-tls-cert", "PEM file with this process's certificate for the link between routers and workers.", "FILE")
    package static let key = Key<String>.text("link-tls-key", "PEM file with the certificate's private key.", "FILE")
    package static let authority = Key<String>.text(
        "link-tls-ca", "PEM file with the authorities that the other side's certificate must come from.", "FILE")

    package static let peer = Key<String>.text(
        "link-tls-peer",
        "URI that the other side's certificate must name, such as spiffe://apus/worker at a router. Without it a worker "
            + "takes any certificate of the authorities, and a router those that name the host or address it dials.",
        "URI")

    package static let names = [certificate.name, key.name, authority.name, peer.name]
}
