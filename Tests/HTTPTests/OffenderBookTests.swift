import NIOCore
import Testing

@testable import HTTP

/// Addresses that break the rules again and again.
@Suite struct OffenderBookTests {
    static let limits = HTTPOffenderLimits()
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    static func address(_ text: String) throws -> SocketAddress { try SocketAddress(ipAddress: text, port: 1) }

    @Test func `an address waits after too many offences, for a while, and others do not`() throws {
        let book = OffenderBook(Self.limits)
        let (bad, good) = try (Self.address("10.0.0.1"), Self.address("10.0.0.2"))

        for _ in 0..<Self.limits.offences.burst { book.offended(bad, now: Self.start) }
        #expect(book.delay(for: bad, now: Self.start) == nil)
        book.offended(bad, now: Self.start)

        #expect(book.delay(for: bad, now: Self.start) == Self.limits.delay)
        #expect(book.delay(for: good, now: Self.start) == nil)
        #expect(book.delay(for: bad, now: Self.start + Self.limits.memory) == nil)
        #expect(book.delay(for: nil, now: Self.start) == nil)
    }

    @Test func `an offence now and then costs nothing`() throws {
        let book = OffenderBook(Self.limits)
        let address = try Self.address("10.0.0.1")
        for second in 0..<1000 {
            let now = Self.start + .seconds(Int64(second))
            book.offended(address, now: now)
            #expect(book.delay(for: address, now: now) == nil)
        }
    }

    @Test func `addresses of one site are one`() throws {
        let book = OffenderBook(Self.limits)
        for host in 0...Self.limits.offences.burst {
            book.offended(try Self.address("2001:db8:0:1::\(String(host, radix: 16))"), now: Self.start)
        }
        #expect(book.delay(for: try Self.address("2001:db8:0:1::ffff"), now: Self.start) != nil)
        #expect(book.delay(for: try Self.address("2001:db8:0:2::1"), now: Self.start) == nil)
    }

    @Test func `so many are remembered and no more, the old ones first forgotten`() throws {
        var limits = Self.limits
        limits.addressCountMax = 4
        limits.offences = TokenBucketLimit(burst: 0, perSecond: 0)
        let book = OffenderBook(limits)
        let addresses = try (1...6).map { try Self.address("10.0.0.\($0)") }
        for address in addresses[..<3] { book.offended(address, now: Self.start) }
        let later = Self.start + limits.memory
        for address in addresses[3..<5] { book.offended(address, now: later) }

        #expect(addresses.map { book.delay(for: $0, now: later) != nil } == [false, false, false, true, true, false])
        for address in addresses[..<3] { book.offended(address, now: later) }
        #expect(addresses.count { book.delay(for: $0, now: later) != nil } == 1)
    }
}
