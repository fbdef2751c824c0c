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
            let damaged = random.damaged(
                WorkerMessage.bytes(random.workerEvent(), version: ProtocolVersion.supported.upperBound))
            guard case .event(let event) = try? WorkerMessage(bytes: damaged.span.bytes) else { continue }
            let again = WorkerMessage.bytes(event, version: ProtocolVersion.supported.upperBound)
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
