import NIOCore
import NIOEmbedded
import TestSupport
import Testing

@testable import Router

/// Messages of DNS, put together by hand.
@Suite struct ServiceRecordsTests {
    static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    static func word(_ number: Int) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255)] }

    static func record(type: Int, _ data: [UInt8]) -> [UInt8] {
        // The name is a pointer to the question's, at byte 12.
        [0xC0, 12] + word(type) + word(1) + [0, 0, 0, 30] + word(data.count) + data
    }

    static func message(_ records: [[UInt8]]) -> [UInt8] {
        let question = name("_link._tcp.apus-worker") + word(33) + word(1)
        return word(7) + word(0x8180) + word(1) + word(records.count) + word(0) + word(0) + question
            + records.flatMap(\.self)
    }

    static func service(_ host: [UInt8], port: Int) -> [UInt8] {
        record(type: 33, word(0) + word(50) + word(port) + host)
    }

    @Test func `targets and ports come in order, and other records are passed over`() throws {
        let message = Self.message([
            Self.service(Self.name("w0.apus-worker.apus.svc.cluster.local"), port: 8101),
            Self.record(type: 5, Self.name("alias.example")),
            // "w1" and then a pointer to "apus-worker" in the question: 12 + _link (6) + _tcp (5).
            Self.service([2] + Array("w1".utf8) + [0xC0, 23], port: 9000),
            Self.service([0], port: 1),
        ])
        #expect(
            try ServiceRecords.parse(message) == [
                WorkerAddress(host: "w0.apus-worker.apus.svc.cluster.local", port: 8101),
                WorkerAddress(host: "w1.apus-worker", port: 9000),
            ])
    }

    @Test(arguments: [
        service([0xC0, 0xFF], port: 1), service([1, 0x2F, 0], port: 1), service(name("a"), port: 0),
        service([0x40, 0], port: 1), service(name("a") + [9], port: 1), record(type: 33, [0, 0]),
        // A pointer to itself: the target stands 12 bytes of header, 28 of question, 12 of record, 6 of data on.
        service([0xC0, 58], port: 1),
    ]) func `what is no record is an error`(record: [UInt8]) {
        #expect(throws: ServiceRecords.Failure.malformed) { try ServiceRecords.parse(Self.message([record])) }
    }

    @Test func `a record may not reach into the next`() {
        let short = Self.record(type: 33, Self.word(0) + Self.word(0) + Self.word(8101))
        let message = Self.message([short, Self.service(Self.name("a"), port: 1)])
        #expect(throws: ServiceRecords.Failure.malformed) { try ServiceRecords.parse(message) }
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a damaged message is refused or read, and never traps or goes round`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let message = Self.message((0..<4).map { Self.service(Self.name("w\($0).workers"), port: 8101) })
        for _ in 0..<200 {
            for address in (try? ServiceRecords.parse(random.damaged(message))) ?? [] {
                #expect((1...65535).contains(address.port) && !address.host.isEmpty, "seed \(seed)")
            }
        }
    }

    @Test func `a name that nobody has is an error`() {
        #expect(throws: ServiceRecords.Failure.self) { try ServiceRecords.addresses(of: "_link._tcp.nobody.invalid") }
    }

    @Test func `workers come and go with their records, and ports may change`() {
        let loop = EmbeddedEventLoop()
        let answers = Box([[1, 2], [2, 3], [3]])
        let discovery = DNSDiscovery(service: "_link._tcp.workers", eventLoop: loop) { _ in
            loop.makeSucceededFuture(answers.value.removeFirst().map { WorkerAddress(host: "w\($0)", port: 8100 + $0) })
        }
        let observer = RecordingObserver()
        discovery.start(observer)
        var seen: [[String]] = []
        for _ in 0..<3 {
            loop.run()
            seen.append(observer.present.map(\.description).sorted())
            if seen.count == 3 { discovery.stop() }
            loop.advanceTime(by: .seconds(5))
        }
        #expect(seen == [["w1:8101", "w2:8102"], ["w2:8102", "w3:8103"], ["w3:8103"]])
    }

    @Test(arguments: ["_link._tcp.apus-worker", "_link._tcp.apus-worker.apus.svc.cluster.local"])
    func `names of records are told from names of hosts`(text: String) throws {
        #expect(try AddressList.parseService(text) == text)
        #expect(try AddressList.discoveries(for: [text], eventLoop: EmbeddedEventLoop()).count == 1)
    }

    @Test(arguments: ["_link", "_link._tcp", "_link._udp.a", "_link._tcp.a:1", "_link._tcp.", "_a b._tcp.c"])
    func `what begins like records and is none is an error`(text: String) {
        #expect(throws: AddressList.Problem.malformed(text)) {
            try AddressList.discoveries(for: [text], eventLoop: EmbeddedEventLoop())
        }
    }
}
