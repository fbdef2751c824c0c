import Inference
import TestSupport
import Testing
import Text

@testable import WorkerProtocol

/// Messages damaged at random: an error or a value, never a trap. A value that passes survives the way back and forth.
@Suite struct MutationTests {
    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a damaged router message is refused or taken whole`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<100 {
            let damaged = random.damaged(random.routerMessage().bytes)
            guard let taken = try? RouterMessage(bytes: damaged.span.bytes) else { continue }
            #expect((try? RouterMessage(bytes: taken.bytes.span.bytes)) == taken)
        }
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a damaged worker message is refused or taken whole`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<100 {
            let damaged = random.damaged(WorkerMessage.bytes(random.workerEvent(), version: 1))
            guard case .event(let event) = try? WorkerMessage(bytes: damaged.span.bytes) else { continue }
            let again = WorkerMessage.bytes(event, version: 1)
            #expect((try? WorkerMessage(bytes: again.span.bytes)) == .event(event))
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `a damaged tokenizer is refused or taken whole`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<20 {
            var assembly = TokenizerTransfer.Assembly()
            for chunk in TokenizerTransfer.chunks(random.tokenizerSpec(tokenCount: 30)) {
                try? assembly.add(bytes: random.damaged(chunk).span.bytes)
            }
            guard let spec = try? assembly.finish() else { continue }
            #expect(spec.tokens.count == spec.tokenKinds.count)
        }
    }
}

extension SeededRandom {
    /// Flips, drops, doubles or inserts bytes, or cuts the end off; one to four times.
    fileprivate mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<int(1...4) {
            guard !bytes.isEmpty else { return bytes }
            let place = int(0...(bytes.count - 1))
            switch int(0...5) {
            case 0: bytes[place] ^= 1 << UInt8(int(0...7))
            case 1: bytes[place] = UInt8(truncatingIfNeeded: next())
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(pick([0x00, 0x7F, 0x80, 0xFF]), at: place)
            case 4: bytes.insert(contentsOf: bytes[place..<min(place + int(1...30), bytes.count)], at: place)
            default: bytes.removeLast(int(1...bytes.count))
            }
        }
        return bytes
    }
}
