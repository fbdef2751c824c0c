import Inference
import TestSupport
import Text

@testable import WorkerProtocol

/// Every kind of message, with every field in and out of use.
extension SeededRandom {
    mutating func sequenceID() -> SequenceID { SequenceID(bool() ? next() : UInt64(int(0...1000))) }

    mutating func sampling() -> SamplingParameters {
        var sampling = SamplingParameters()
        guard bool() else { return sampling }
        sampling.temperature = float(0...2)
        sampling.topK = int(0...100)
        sampling.topP = max(float(0...1), .leastNonzeroMagnitude)
        sampling.minP = float(0...1)
        sampling.repetitionPenalty = float(0.01...10)
        sampling.presencePenalty = float(-2...2)
        sampling.frequencyPenalty = float(-2...2)
        sampling.logitBias = Set(tokens(0...5)).sorted().map { LogitBias(token: $0, bias: float(-100...100)) }
        sampling.seed = next()
        sampling.maxTokens = int(0...10_000)
        sampling.minTokens = int(0...100)
        sampling.stopTokens = Set(tokens(0...5)).sorted()
        sampling.logprobs = bool() ? int(0...20) : nil
        sampling.promptLogprobs = bool() ? int(0...20) : nil
        if bool() {
            let kinds = OutputConstraint.Kind.allCases
            sampling.constraint = OutputConstraint(kinds[int(0...kinds.count - 1)], word())
        }
        return sampling
    }

    mutating func routerMessage() -> RouterMessage {
        switch int(0...4) {
        case 0: return .hello(RouterHello(versions: 1...UInt32(int(1...9)), router: word(), epoch: next()))
        case 1: return .command(.cancel(sequenceID()))
        case 2: return .command(.preempt(sequenceID()))
        case 3: return .command(.drain(deadlineSeconds: Double(float(0...100))))
        default:
            let tokens = tokens(1...200)
            return .command(
                .admit(
                    AdmittedSequence(
                        id: sequenceID(), tokens: tokens, promptTokenCount: int(1...tokens.count),
                        sampling: sampling(), priority: int(-1000...1000), salt: next(),
                        pooling: bool() ? Pooling(secondStart: bool() ? int(0...tokens.count) : nil) : nil,
                        trace: bool() ? trace() : nil, resumes: bool())))
        }
    }

    mutating func trace() -> TraceContext? {
        guard let traceID = TraceID(high: bool() ? next() : 0, low: next()), let spanID = SpanID(next()) else {
            return nil
        }
        return TraceContext(traceID: traceID, spanID: spanID, isSampled: true, state: bool() ? word() : "")
    }

    mutating func logprobs() -> TokenLogprobs {
        TokenLogprobs(
            token: token(), logprob: float(-50...0),
            top: list(0...4) { TokenLogprobs.Alternative(token: $0.token(), logprob: $0.float(-50...0)) })
    }

    mutating func load() -> WorkerLoad {
        WorkerLoad(
            freeSlots: int(0...64), freePages: int(0...100_000), runningSequences: int(0...64),
            waitingPrefillTokens: int(0...1_000_000))
    }

    mutating func stepReport() -> StepReport {
        let wantsLogprobs = bool()
        let wantsFinishes = bool()
        let entries = list(0...40) { random in
            var entry = StepEntry(sequence: random.sequenceID(), tokens: random.tokens(0...3))
            if wantsLogprobs && random.bool() {
                entry.logprobs = entry.tokens.map { _ in random.logprobs() }
                entry.promptLogprobs = random.list(0...5) { $0.logprobs() }
            }
            if random.int(0...5) == 0 { entry.pooled = random.list(0...20) { $0.float(-1...1) } }
            if random.int(0...5) == 0 { entry.cachedTokenCount = random.int(0...1000) }
            if wantsFinishes && random.bool() {
                entry.finish = random.pick([.stop, .length, .failed(random.word()), .unservable(random.word())])
            }
            return entry
        }
        return StepReport(
            number: next(), durationMicroseconds: UInt32(truncatingIfNeeded: next()), tokenCount: int(0...8192),
            entries: entries, load: load(), commandsSeen: next())
    }

    mutating func workerEvent() -> WorkerEvent {
        switch int(0...8) {
        case 0:
            return .credit(slotCount: int(0...64), pageCount: int(0...9999), load: load(), commandsSeen: next())
        case 1:
            return .prefix(added: list(0...50) { $0.next() }, removed: list(0...9) { $0.next() }, isSnapshot: bool())
        case 2: return .preempted(sequenceID())
        case 3: return .refused(sequenceID())
        case 4: return .draining
        case 5: return .working
        case 6: return .taken(commands: next())
        default: return .step(stepReport())
        }
    }

    mutating func description() -> WorkerDescription {
        let pageCount = int(0...1_000_000)
        return WorkerDescription(
            model: word(), numericsID: word(), epoch: next(), slotCount: int(0...1024), pageCount: pageCount,
            wholePageCount: pick([nil, pageCount + int(0...1_000_000)]), pageTokenCount: int(1...256),
            contextLength: int(1...1_000_000), vocabularySize: int(1...300_000),
            stepTokenBudget: int(1...8192), pooledOutput: pick([nil, .score, .vector(size: int(1...4096))]),
            signSeconds: pick([nil, Double(int(1...60_000)) / 1000]), tokenizerDigest: pick([nil, next() | 1]))
    }

    mutating func tokenizerSpec(tokenCount: Int? = nil) -> TokenizerSpec {
        let count = tokenCount ?? int(1...500)
        func id() -> TokenID? { bool() ? TokenID(int(0...(count - 1))) : nil }
        let kind: TokenizerSpec.Kind = pick([.bytePairEncoding, .sentencePiece, .wordPiece])
        return TokenizerSpec(
            kind: kind, preTokenizer: word(),
            tokens: (0..<count).map { "\($0) \(word())" },
            tokenKinds: (0..<count).map { _ in pick([.normal, .unknown, .control, .userDefined, .unused, .byte]) },
            scores: bool() ? (0..<count).map { _ in float(-1e6...1e6) } : [], merges: list(0...300) { $0.word() },
            bosToken: id(), eosToken: id(), unknownToken: id(),
            endOfTurnTokens: list(0...3) { TokenID($0.int(0...(count - 1))) },
            infillTokens: id().map { InfillTokens(prefix: $0, suffix: 0, middle: TokenID(count - 1)) }, addsBOS: bool(),
            addsEOS: bool(), addsSpacePrefix: bool(),
            spacePrefixPlace: pick([.afterControl, .everywhere, .everywhereUnspaced, .startUnspaced]),
            composesText: bool(), spaceTakingTokens: list(0...3) { TokenID($0.int(0...(count - 1))) },
            tokensTakingSpaceBefore: list(0...3) { TokenID($0.int(0...(count - 1))) },
            chatTemplate: bool() ? word() : nil,
            normalization: kind != .wordPiece
                ? TextNormalization()
                : TextNormalization(
                    cleansText: bool(), separatesIdeographs: bool(), stripsAccents: bool(), lowercases: bool()))
    }
}
