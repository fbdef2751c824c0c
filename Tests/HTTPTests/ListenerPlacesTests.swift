import NIOCore
import Testing

@testable import HTTP

/// Who gets a listener's places.
@Suite struct ListenerPlacesTests {
    static func book(_ countMax: Int, share: Double = 0.25, atLeast: Int = 1) -> ConnectionBook {
        var options = HTTPListenerOptions()
        options.connectionCountMax = countMax
        options.addressShare = share
        options.addressConnectionCountMin = atLeast
        return ConnectionBook(options)
    }

    static func address(_ text: String) throws -> SocketAddress { try SocketAddress(ipAddress: text, port: 1) }

    /// How many of some connections of an address may stay.
    static func entered(_ book: ConnectionBook, _ text: String, _ count: Int) throws -> Int {
        let address = try address(text)
        return (0..<count).count { _ in book.enter(address) }
    }

    @Test func `one address gets half, then each its share, and all together what there is`() throws {
        let book = Self.book(40)
        #expect(try Self.entered(book, "10.0.0.1", 100) == 20)
        #expect(try Self.entered(book, "10.0.0.2", 100) == 10)
        #expect(try Self.entered(book, "10.0.0.3", 7) == 7)
        #expect(try Self.entered(book, "10.0.0.4", 100) == 3)
        #expect(try Self.entered(book, "10.0.0.5", 100) == 0)
        #expect(book.count == 40)
    }

    @Test func `who leaves makes room, first for those who have less than their share`() throws {
        let book = Self.book(40)
        let (large, small) = try (Self.address("10.0.0.1"), Self.address("10.0.0.2"))
        #expect(try Self.entered(book, "10.0.0.1", 20) == 20)
        book.leave(large)
        #expect(book.enter(large) && !book.enter(large))
        #expect(book.enter(small))
        for _ in 0..<11 { book.leave(large) }
        book.leave(small)
        #expect(book.count == 9)
        #expect(try Self.entered(book, "10.0.0.1", 100) == 11)
    }

    @Test func `behind a proxy all are one address, and a share of all is no limit`() throws {
        #expect(try Self.entered(Self.book(40, share: 1), "10.0.0.1", 100) == 40)
    }

    @Test func `a few are nobody's flood`() throws {
        let book = Self.book(20, atLeast: 16)
        #expect(try Self.entered(book, "10.0.0.1", 100) == 16)
    }

    @Test func `a site's addresses are one, and IPv4 addresses differ on a socket of both kinds`() throws {
        let site = Self.book(40)
        #expect(try Self.entered(site, "2001:db8:0:1::1", 15) == 15)
        #expect(try Self.entered(site, "2001:db8:0:1:ffff::2", 15) == 5)
        #expect(try Self.entered(site, "2001:db8:0:2::1", 15) == 10)

        let both = Self.book(40)
        #expect(try Self.entered(both, "::ffff:10.0.0.1", 30) == 20)
        #expect(try Self.entered(both, "::ffff:10.0.0.2", 30) == 10)
        #expect(try Self.entered(both, "10.0.0.2", 30) == 0)
    }

    @Test func `who has no address is bound by the whole only`() {
        let book = Self.book(40)
        #expect((0..<100).count { _ in book.enter(nil) } == 40)
    }
}
