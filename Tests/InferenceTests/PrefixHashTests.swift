import Testing

@testable import Inference

@Suite struct PrefixHashTests {
    /// From the test vectors of SipHash's authors: key 00..0f, message 00..07 and 00..0f.
    @Test func `SipHash-2-4 gives the published values`() {
        var eight = SipHash(key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908)
        eight.absorb(0x0706_0504_0302_0100)
        #expect(eight.finish(byteCount: 8) == 0x93f5_f579_9a93_2462)

        var sixteen = SipHash(key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908)
        sixteen.absorb(0x0706_0504_0302_0100)
        sixteen.absorb(0x0f0e_0d0c_0b0a_0908)
        #expect(sixteen.finish(byteCount: 16) == 0x3f2a_cc7f_57c2_9bdb)
    }

    @Test func `a chain has one hash for each full page, and each covers all before it`() {
        let tokens = (0..<100).map { TokenID($0) }
        var changed = tokens
        changed[5] = 999

        let chain = PrefixHash.chain(tokens, pageTokenCount: 32, salt: 1)
        let other = PrefixHash.chain(changed, pageTokenCount: 32, salt: 1)

        #expect(chain.count == 3)
        #expect(zip(chain, other).allSatisfy { $0 != $1 })
        #expect(PrefixHash.chain(Array(tokens[..<64]), pageTokenCount: 32, salt: 1) == Array(chain[..<2]))
        #expect(zip(chain, PrefixHash.chain(tokens, pageTokenCount: 32, salt: 2)).allSatisfy { $0 != $1 })
        #expect(PrefixHash.chain(tokens, pageTokenCount: 0, salt: 1).isEmpty)
    }

    @Test func `a page of odd length is not a page with a token more`() {
        let short = PrefixHash.next(after: 0, page: [1, 2, 3][...])
        #expect(short != PrefixHash.next(after: 0, page: [1, 2, 3, -1][...]))
        #expect(short != PrefixHash.next(after: 0, page: [1, 2, 3, 0][...]))
    }
}
