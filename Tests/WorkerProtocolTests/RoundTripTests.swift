import Inference
import SwiftProtobuf
import TestSupport
import Testing
import Text

@testable import WorkerProtocol

@Suite struct RoundTripTests {
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `what a router says arrives as it was`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let message = random.routerMessage()

        #expect(try RouterMessage(bytes: message.bytes.span.bytes) == message)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `what a router says is written as swift-protobuf writes it`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bytes = random.routerMessage().bytes

        let again: [UInt8] = try WireRouterMessage(serializedBytes: bytes).serializedBytes()

        #expect(bytes == again)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `what a worker reports arrives as it was`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let event = random.workerEvent()

        #expect(
            try WorkerMessage(
                bytes: WorkerMessage.bytes(event, version: ProtocolVersion.supported.upperBound).span.bytes)
                == .event(event))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `a step read in one pass is what swift-protobuf reads`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var plainCount = 0
        for _ in 0..<100 {
            var report = random.stepReport()
            for place in report.entries.indices {
                let entry = report.entries[place]
                report.entries[place] = StepEntry(
                    sequence: entry.sequence, tokens: entry.tokens, cachedTokenCount: entry.cachedTokenCount,
                    finish: random.pick([nil, .stop, .length]))
            }
            let whole = WorkerMessage.bytes(.step(report), version: ProtocolVersion.supported.upperBound)
            #expect(StepReport(plain: whole.span.bytes) == report)
            for bytes in [random.damaged(whole), whole + whole, whole + [0x40, 0x01], Array(whole.dropLast())] {
                guard let read = StepReport(plain: bytes.span.bytes) else { continue }
                plainCount += 1
                guard case .step(let wire) = try WireWorkerMessage(serializedBytes: bytes).message else {
                    Issue.record("swift-protobuf reads no step")
                    continue
                }
                #expect(try StepReport(wire) == read)
            }
        }
        #expect(plainCount > 0, "no damage that leaves a step")
    }

    @Test func `a column of a step that ends in mid-number is left to swift-protobuf, which refuses it`() throws {
        let report = StepReport(
            number: 1, durationMicroseconds: 1, tokenCount: 1,
            entries: [StepEntry(sequence: SequenceID(5), tokens: [7])],
            load: WorkerLoad(freeSlots: 1, freePages: 1, runningSequences: 1, waitingPrefillTokens: 0),
            commandsSeen: 1)
        var bytes = WorkerMessage.bytes(.step(report), version: ProtocolVersion.supported.upperBound)
        #expect(StepReport(plain: bytes.span.bytes) == report)
        // The column of sequences: field 6, one byte, the number 5. Then a second number begins.
        let column = try #require(bytes.indices.first { bytes[$0...].starts(with: [0x32, 0x01, 0x05]) })
        bytes.replaceSubrange(column..<column + 3, with: [0x32, 0x02, 0x05, 0x80])
        bytes[1] += 1
        #expect(StepReport(plain: bytes.span.bytes) == nil)
        #expect(throws: (any Error).self) { try WireWorkerMessage(serializedBytes: bytes) }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `a welcome carries the description and the version`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let description = random.description()

        let bytes = WorkerMessage.bytes(.welcome(description), version: ProtocolVersion.supported.upperBound)

        #expect(
            try WorkerMessage(bytes: bytes.span.bytes)
                == .welcome(description, version: ProtocolVersion.supported.upperBound))
        #expect(try WorkerDescription(bytes: description.bytes.span.bytes) == description)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `a tokenizer arrives as it was`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let spec = random.tokenizerSpec()

        var assembly = TokenizerTransfer.Assembly()
        for chunk in TokenizerTransfer.chunks(spec) { try assembly.add(bytes: chunk.span.bytes) }

        #expect(try assembly.finish() == spec)
    }

    @Test func `a large tokenizer travels in pieces of at most 1 MiB`() throws {
        var random = SeededRandom(seed: 1)
        let spec = random.tokenizerSpec(tokenCount: 120_000)

        let chunks = TokenizerTransfer.chunks(spec)

        #expect(chunks.count > 1)
        #expect(chunks.allSatisfy { $0.count <= 1 << 20 })
        var assembly = TokenizerTransfer.Assembly()
        for chunk in chunks { try assembly.add(bytes: chunk.span.bytes) }
        #expect(try assembly.finish() == spec)
    }

    @Test func `a step of a hundred sequences is small`() throws {
        let entries = (0..<100).map { StepEntry(sequence: SequenceID(UInt64($0) + 5000), tokens: [TokenID($0) * 400]) }
        let load = WorkerLoad(freeSlots: 0, freePages: 900, runningSequences: 100, waitingPrefillTokens: 0)
        let report = StepReport(
            number: 1_000_000, durationMicroseconds: 12_345, tokenCount: 100, entries: entries, load: load,
            commandsSeen: 5100)

        // Two bytes of sequence, one of count, up to three of token each.
        #expect(WorkerMessage.bytes(.step(report), version: ProtocolVersion.supported.upperBound).count < 660)
    }
}
