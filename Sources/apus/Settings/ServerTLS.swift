import Configuration
import HTTP

/// The certificates of listeners: both files, or none.
enum ServerTLS {
    /// What a router shows its clients.
    /// - Returns: nil without TLS.
    static func api(_ settings: Settings, _ flags: ServingFlags) throws -> TLSOptions? {
        try options(settings, (RouterKeys.tlsCertificate, flags.tlsCertificate), (RouterKeys.tlsKey, flags.tlsKey))
    }

    /// What a router or worker shows on its port of metrics and health.
    /// - Parameter flags: nil for a command that has none of them.
    /// - Returns: nil without TLS.
    static func admin(_ settings: Settings, _ flags: AdminTLSFlags?) throws -> TLSOptions? {
        let authority = try settings.optional(AdminTLSKeys.authority, flag: flags?.authority)
        var options = try options(
            settings, (AdminTLSKeys.certificate, flags?.certificate), (AdminTLSKeys.key, flags?.key))
        guard options != nil || authority == nil else {
            throw ConfigurationError.missing(AdminTLSKeys.certificate.name)
        }
        options?.authorityFile = authority
        return options
    }

    private static func options(
        _ settings: Settings, _ certificate: (Key<String>, String?), _ key: (Key<String>, String?)
    ) throws -> TLSOptions? {
        let certificateFile = try settings.optional(certificate.0, flag: certificate.1)
        switch (certificateFile, try settings.optional(key.0, flag: key.1)) {
        case (nil, nil): return nil
        case (let file?, let keyFile?): return TLSOptions(certificateFile: file, keyFile: keyFile)
        case (_?, nil): throw ConfigurationError.missing(key.0.name)
        case (nil, _?): throw ConfigurationError.missing(certificate.0.name)
        }
    }
}
