import Inference

/// The one message that a stream costs again and again, read in one pass: swift-protobuf makes columns first, of which
/// entries are made then.
extension StepReport {
    /// - Returns: nil for what is no step, for steps that say more of a sequence than its tokens and its end, and for
    ///   whatever breaks a rule: swift-protobuf and ``init(_:)`` read those, and say what is wrong.
    init?(plain bytes: RawSpan) {
        var message = WireReader(bytes)
        // Worker's message: a step and nothing else.
        guard var step = message.contents(2, bytes), message.isAtEnd, !step.isAtEnd,
            let number = step.number(1, bytes),
            let microseconds = step.count(2, bytes, max: Int(UInt32.max)),
            let tokenCount = step.count(3, bytes, max: Int(UInt32.max)),
            var loadFields = step.contents(4, bytes), let load = WorkerLoad(plain: &loadFields, bytes),
            let commandsSeen = step.number(5, bytes),
            var sequences = step.contents(6, bytes), var counts = step.contents(7, bytes),
            var tokens = step.contents(8, bytes), var finishes = step.contents(9, bytes),
            var cached = step.contents(11, bytes), step.isAtEnd
        else { return nil }
        var entries: [StepEntry] = []
        entries.reserveCapacity(counts.varintCount(bytes))
        let (saysFinish, saysCached) = (!finishes.isAtEnd, !cached.isAtEnd)
        while !sequences.isAtEnd {
            guard let sequence = sequences.varint(bytes), let count = counts.varint(bytes),
                let own = Self.tokens(count, from: &tokens, bytes)
            else { return nil }
            var cachedTokenCount: Int?
            if saysCached {
                guard let plusOne = cached.varint(bytes), plusOne <= UInt32.max else { return nil }
                if plusOne > 0 { cachedTokenCount = Int(plusOne) - 1 }
            }
            var finish: SequenceFinish?
            if saysFinish {
                switch finishes.varint(bytes) {
                case 0: break
                case 1: finish = .stop
                case 2: finish = .length
                default: return nil
                }
            }
            entries.append(
                StepEntry(
                    sequence: SequenceID(sequence), tokens: own, cachedTokenCount: cachedTokenCount, finish: finish))
        }
        guard counts.isAtEnd, tokens.isAtEnd, finishes.isAtEnd, cached.isAtEnd else { return nil }
        self.init(
            number: number, durationMicroseconds: UInt32(microseconds), tokenCount: tokenCount, entries: entries,
            load: load, commandsSeen: commandsSeen)
    }

    private static func tokens(_ count: UInt64, from column: inout WireReader, _ bytes: RawSpan) -> [TokenID]? {
        var tokens: [TokenID] = []
        var left = count
        while left > 0 {
            guard let value = column.varint(bytes), let token = TokenID(exactly: value) else { return nil }
            tokens.append(token)
            left -= 1
        }
        return tokens
    }
}

extension WorkerLoad {
    fileprivate init?(plain fields: inout WireReader, _ bytes: RawSpan) {
        guard let freeSlots = fields.count(1, bytes, max: WireLimits.slotsMax),
            let freePages = fields.count(2, bytes, max: WireLimits.pagesMax),
            let runningSequences = fields.count(3, bytes, max: WireLimits.slotsMax),
            let waitingPrefillTokens = fields.count(4, bytes, max: Int(UInt32.max)), fields.isAtEnd
        else { return nil }
        self.init(
            freeSlots: freeSlots, freePages: freePages, runningSequences: runningSequences,
            waitingPrefillTokens: waitingPrefillTokens)
    }
}
