import Configuration
import HTTP

/// The certificates of the link: all three files, or none.
enum LinkTLS {
    /// - Returns: nil without TLS.
    static func options(_ settings: Settings, _ flags: LinkTLSFlags) throws -> TLSOptions? {
        let keys = [LinkTLSKeys.certificate, LinkTLSKeys.key, LinkTLSKeys.authority]
        let said = [flags.certificate, flags.key, flags.authority]
        let files = try zip(keys, said).map { key, flag in try settings.optional(key, flag: flag) }
        guard files.contains(where: { $0 != nil }) else { return nil }
        for (key, file) in zip(keys, files) where file == nil { throw ConfigurationError.missing(key.name) }
        var options = TLSOptions.link(certificateFile: files[0], keyFile: files[1], authorityFile: files[2])
        options.peerURI = try settings.optional(LinkTLSKeys.peer, flag: flags.peer)
        return options
    }
}
