import Foundation
import HTTP
import NIOCore
import TestSupport
import Testing

@testable import API

extension SeededRandom {
    fileprivate mutating func resumePoint() -> ResumePoint {
        let names = ["", "0123456789abcdef", "gguf-é"]
        let created = Int64(below(1 << 40))
        return ResumePoint(
            name: (next(), next()), created: created, sentAt: created + Int64(below(100_000)), seed: next(),
            listedNumericsID: names[below(3)], numericsID: [nil, names[1], names[2]][below(3)],
            hasUsage: happens(0.5),
            choices: (0..<below(5)).map { _ in
                var choice = ChoiceProgress(
                    byteCount: happens(0.2) ? 0 : below(1 << 30), tokenCount: below(300),
                    digest: UInt32(truncatingIfNeeded: next()))
                choice.hasOpened = happens(0.5)
                choice.hasEchoed = happens(0.5)
                choice.hasFinished = happens(0.5)
                return choice
            })
    }
}

/// Ids of events: what is written is read again, and nothing else is.
@Suite struct ResumePointTests {
    let seal: ResumeSeal
    let other: ResumeSeal

    init() throws {
        seal = ResumeSeal(try KeyedDigest(key: Array(repeating: 7, count: 32)))
        other = ResumeSeal(try KeyedDigest(key: Array(repeating: 8, count: 32)))
    }

    static let binding = ResumeSeal.binding(route: "/v1/completions", body: Array("{}".utf8))

    private func text(_ point: ResumePoint) throws -> String {
        var buffer = ByteBuffer()
        seal.write(point, binding: Self.binding, into: &buffer)
        let line = String(buffer: buffer)
        try #require(line.hasPrefix("id: ") && line.hasSuffix("\n"))
        return String(line.dropFirst(4).dropLast())
    }

    @Test(arguments: 0..<50 as Range<UInt64>) func `a point is read as it was written`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let point = random.resumePoint()
        let text = try text(point)
        #expect(try seal.open(text, binding: Self.binding, now: point.sentAt, limitSeconds: 0) == point, "seed \(seed)")
        #expect(text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
    }

    @Test(arguments: 0..<50 as Range<UInt64>) func `a damaged id is nobody's`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let point = random.resumePoint()
        let text = try text(point)
        for _ in 0..<100 {
            let damaged = String(decoding: random.damaged(Array(text.utf8)), as: UTF8.self)
            guard damaged != text else { continue }
            #expect(throws: ResumeError.foreign, "seed \(seed)") {
                try seal.open(damaged, binding: Self.binding, now: point.sentAt, limitSeconds: 1000)
            }
        }
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `damaged bytes behind a sound seal are refused or read, and never trap`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            var bytes: [UInt8] = []
            random.resumePoint().write(into: &bytes)
            guard let point = try? ResumePoint(random.damaged(bytes)) else { continue }
            var again: [UInt8] = []
            point.write(into: &again)
            #expect((try? ResumePoint(again)) == point, "seed \(seed)")
        }
    }

    @Test func `an id is of use only to its cluster, its request and its time`() throws {
        var random = SeededRandom(seed: 1)
        let point = random.resumePoint()
        let text = try text(point)
        func open(_ seal: ResumeSeal, _ route: StaticString, _ body: String, after seconds: Int64) throws {
            _ = try seal.open(
                text, binding: ResumeSeal.binding(route: route, body: Array(body.utf8)), now: point.sentAt + seconds,
                limitSeconds: 600)
        }
        try open(seal, "/v1/completions", "{}", after: 600)
        try open(seal, "/v1/completions", "{}", after: -60)
        #expect(throws: ResumeError.foreign) { try open(other, "/v1/completions", "{}", after: 0) }
        #expect(throws: ResumeError.foreign) { try open(seal, "/v1/chat/completions", "{}", after: 0) }
        #expect(throws: ResumeError.foreign) { try open(seal, "/v1/completions", "{ }", after: 0) }
        #expect(throws: ResumeError.expired(ageSeconds: 601, limitSeconds: 600)) {
            try open(seal, "/v1/completions", "{}", after: 601)
        }
    }

    @Test(arguments: 0..<100) func `base64 is what Foundation makes of it, and nothing else is read`(count: Int) {
        var random = SeededRandom(seed: UInt64(count))
        let bytes = (0..<count).map { _ in random.byte() }
        let theirs = Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
        var buffer = ByteBuffer()
        buffer.writeWithOutputRawSpan(minimumWritableBytes: Base64URL.letterCountMax(bytes.count)) { text in
            Base64URL.write(bytes, into: &text)
        }
        let text = Array(buffer.readableBytesView)
        #expect(String(decoding: text, as: UTF8.self) == theirs)
        #expect(Base64URL.decode(text) == bytes)
        for wrong in ["=", "+", "/", " ", "é"] { #expect(Base64URL.decode(text + Array(wrong.utf8)) == nil) }
        if count % 3 == 0 { #expect(Base64URL.decode(text + [65]) == nil) }
    }

    /// Source: RFC 4231, test cases 2 and 6; FIPS 180-2, appendix B.1.
    @Test func `digests are the standard's`() throws {
        func hex(_ bytes: [UInt8]?) -> String { (bytes ?? []).map { String(format: "%02x", $0) }.joined() }
        let key = try KeyedDigest(key: Array("Jefe".utf8))
        for _ in 0..<2 {
            #expect(
                hex(key.digest(of: Array("what do ya want for nothing?".utf8)))
                    == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        }
        let longKey = try KeyedDigest(key: Array(repeating: 0xAA, count: 131))
        #expect(
            hex(longKey.digest(of: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)))
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        #expect(
            hex(SHA256Digest.of(Array("abc".utf8)))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
