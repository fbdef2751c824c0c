import NIOCore

/// Whom an address belongs to: an IPv4 address, or the 64 bits of an IPv6 address that a site has all addresses below.
struct ClientNetwork: Hashable {
    private let isWide: Bool
    private let bits: UInt64

    /// nil where clients have no addresses.
    init?(_ address: SocketAddress?) {
        switch address {
        case .v4(let address): (isWide, bits) = (false, UInt64(Self.load(UInt32.self, address.address, at: 4)))
        case .v6(let address):
            let high = Self.load(UInt64.self, address.address, at: 8)
            let prefix = UInt32(bigEndian: Self.load(UInt32.self, address.address, at: 16))
            // ::ffff:a.b.c.d, as a socket of both kinds calls an IPv4 address.
            isWide = high != 0 || prefix != 0xffff
            bits = isWide ? high : UInt64(Self.load(UInt32.self, address.address, at: 20))
        case .unixDomainSocket, nil: return nil
        }
    }

    /// A part of a `sockaddr_in`, which has its address at 4, or of a `sockaddr_in6`, at 8.
    private static func load<Address, Part: FixedWidthInteger & BitwiseCopyable>(
        _: Part.Type, _ address: Address, at offset: Int
    ) -> Part {
        withUnsafeBytes(of: address) { $0.loadUnaligned(fromByteOffset: offset, as: Part.self) }
    }
}
