import Inference

extension StepReport {
    init(_ wire: WireStep) throws(WireError) {
        self.init(
            number: wire.number, durationMicroseconds: wire.durationUs, tokenCount: Int(wire.tokenCount),
            entries: try Self.entries(wire), load: try WorkerLoad(wire.load), commandsSeen: wire.commandsSeen)
    }

    private static func entries(_ wire: WireStep) throws(WireError) -> [StepEntry] {
        let rowCount = wire.sequences.count
        try FieldChecks.count("step.token_counts", wire.tokenCounts.count, equals: rowCount)
        try optionalColumn("step.finishes", wire.finishes.count, rowCount)
        try optionalColumn("step.cached_plus_one", wire.cachedPlusOne.count, rowCount)
        try optionalColumn("step.pooled_counts", wire.pooledCounts.count, rowCount)
        try FieldChecks.finite("step.pooled", wire.pooled)
        var tokens = ColumnReader("step.tokens", wire.tokens)
        var pooled = ColumnReader("step.pooled", wire.pooled)
        try optionalColumn("step.failures_asked_for", wire.failuresAskedFor.count, wire.failures.count)
        var failures = wire.failures.indices
        // Most steps have neither.
        var logprobs = wire.hasLogprobs ? try LogprobReader("step.logprobs", wire.logprobs, rowCount) : nil
        var promptLogprobs =
            wire.hasPromptLogprobs ? try LogprobReader("step.prompt_logprobs", wire.promptLogprobs, rowCount) : nil

        var entries: [StepEntry] = []
        entries.reserveCapacity(rowCount)
        for row in 0..<rowCount {
            var entry = StepEntry(sequence: SequenceID(wire.sequences[row]))
            entry.tokens = try FieldChecks.tokens("step.tokens", try tokens.take(wire.tokenCounts[row]))
            entry.logprobs = try logprobs?.take(row) ?? []
            guard entry.logprobs.isEmpty || entry.logprobs.count == entry.tokens.count else {
                throw .columnsDisagree(
                    field: "step.logprobs.row_counts", count: entry.logprobs.count, expected: entry.tokens.count)
            }
            entry.promptLogprobs = try promptLogprobs?.take(row) ?? []
            if !wire.cachedPlusOne.isEmpty, wire.cachedPlusOne[row] > 0 {
                entry.cachedTokenCount = Int(wire.cachedPlusOne[row]) - 1
            }
            if !wire.pooledCounts.isEmpty { entry.pooled = Array(try pooled.take(wire.pooledCounts[row])) }
            if !wire.finishes.isEmpty { entry.finish = try finish(wire.finishes[row], wire, &failures) }
            entries.append(entry)
        }
        try tokens.finish()
        try pooled.finish()
        try logprobs?.finish()
        try promptLogprobs?.finish()
        try FieldChecks.count("step.failures", wire.failures.count, equals: wire.failures.count - failures.count)
        return entries
    }

    private static func optionalColumn(_ field: String, _ count: Int, _ rowCount: Int) throws(WireError) {
        if count > 0 { try FieldChecks.count(field, count, equals: rowCount) }
    }

    private static func finish(
        _ finish: WireFinish, _ wire: WireStep, _ failures: inout Range<Int>
    ) throws(WireError) -> SequenceFinish? {
        switch finish {
        case .none: return nil
        case .stop: return .stop
        case .length: return .length
        case .failed:
            guard let place = failures.popFirst() else { throw .missing(field: "step.failures") }
            let isAskedFor = !wire.failuresAskedFor.isEmpty && wire.failuresAskedFor[place]
            return isAskedFor ? .unservable(wire.failures[place]) : .failed(wire.failures[place])
        case .UNRECOGNIZED(let value): throw .unknownValue(field: "step.finishes", value: value)
        }
    }

    var wire: WireStep {
        var wire = WireStep()
        wire.number = number
        wire.durationUs = durationMicroseconds
        wire.tokenCount = UInt32(count: tokenCount)
        wire.load = load.wire
        wire.commandsSeen = commandsSeen
        wire.sequences = entries.map(\.sequence.rawValue)
        wire.tokenCounts = entries.map { UInt32(count: $0.tokens.count) }
        wire.tokens.reserveCapacity(entries.count)
        for entry in entries {
            for token in entry.tokens { wire.tokens.append(UInt32(bitPattern: token)) }
        }
        if entries.contains(where: { $0.finish != nil }) { encodeFinishes(into: &wire) }
        if entries.contains(where: { $0.cachedTokenCount != nil }) {
            wire.cachedPlusOne = entries.map { entry in entry.cachedTokenCount.map { UInt32(count: $0 + 1) } ?? 0 }
        }
        if entries.contains(where: { !$0.logprobs.isEmpty }) {
            wire.logprobs = WireLogprobColumns(entries.map(\.logprobs))
        }
        if entries.contains(where: { !$0.promptLogprobs.isEmpty }) {
            wire.promptLogprobs = WireLogprobColumns(entries.map(\.promptLogprobs))
        }
        if entries.contains(where: { !$0.pooled.isEmpty }) {
            wire.pooledCounts = entries.map { UInt32(count: $0.pooled.count) }
            wire.pooled = entries.flatMap(\.pooled)
        }
        return wire
    }

    private func encodeFinishes(into wire: inout WireStep) {
        for entry in entries {
            switch entry.finish {
            case nil: wire.finishes.append(.none)
            case .stop: wire.finishes.append(.stop)
            case .length: wire.finishes.append(.length)
            case .failed(let reason), .unservable(let reason):
                wire.finishes.append(.failed)
                wire.failures.append(reason)
                wire.failuresAskedFor.append(entry.finish == .unservable(reason))
            }
        }
        if !wire.failuresAskedFor.contains(true) { wire.failuresAskedFor = [] }
    }
}

/// Reads a table of log-probabilities, sequence by sequence.
private struct LogprobReader {
    private let field: String
    private let rowCounts: [UInt32]
    private var tokens: ColumnReader<UInt32>
    private var logprobs: ColumnReader<Float>
    private var alternativeCounts: ColumnReader<UInt32>
    private var alternativeTokens: ColumnReader<UInt32>
    private var alternativeLogprobs: ColumnReader<Float>

    /// - Parameter sequenceCount: rows of the step around it.
    init(_ field: String, _ wire: WireLogprobColumns, _ sequenceCount: Int) throws(WireError) {
        self.field = field
        rowCounts = wire.rowCounts
        if !rowCounts.isEmpty { try FieldChecks.count("\(field).row_counts", rowCounts.count, equals: sequenceCount) }
        try FieldChecks.count("\(field).logprobs", wire.logprobs.count, equals: wire.tokens.count)
        try FieldChecks.count("\(field).alternative_counts", wire.alternativeCounts.count, equals: wire.tokens.count)
        try FieldChecks.count(
            "\(field).alternative_logprobs", wire.alternativeLogprobs.count, equals: wire.alternativeTokens.count)
        try FieldChecks.finite("\(field).logprobs", wire.logprobs)
        try FieldChecks.finite("\(field).alternative_logprobs", wire.alternativeLogprobs)
        tokens = ColumnReader("\(field).tokens", wire.tokens)
        logprobs = ColumnReader("\(field).logprobs", wire.logprobs)
        alternativeCounts = ColumnReader("\(field).alternative_counts", wire.alternativeCounts)
        alternativeTokens = ColumnReader("\(field).alternative_tokens", wire.alternativeTokens)
        alternativeLogprobs = ColumnReader("\(field).alternative_logprobs", wire.alternativeLogprobs)
    }

    mutating func take(_ sequence: Int) throws(WireError) -> [TokenLogprobs] {
        guard !rowCounts.isEmpty else { return [] }
        let count = rowCounts[sequence]
        let chosen = try FieldChecks.tokens("\(field).tokens", try tokens.take(count))
        let values = try logprobs.take(count)
        let counts = try alternativeCounts.take(count)
        var rows: [TokenLogprobs] = []
        rows.reserveCapacity(chosen.count)
        for ((token, logprob), count) in zip(zip(chosen, values), counts) {
            let others = try FieldChecks.tokens("\(field).alternative_tokens", try alternativeTokens.take(count))
            let theirs = try alternativeLogprobs.take(count)
            rows.append(
                TokenLogprobs(
                    token: token, logprob: logprob,
                    top: zip(others, theirs).map { TokenLogprobs.Alternative(token: $0, logprob: $1) }))
        }
        return rows
    }

    func finish() throws(WireError) {
        try tokens.finish()
        try alternativeTokens.finish()
    }
}

extension WireLogprobColumns {
    /// - Parameter sequences: for each sequence of a step, its rows.
    init(_ sequences: [[TokenLogprobs]]) {
        self.init()
        rowCounts = sequences.map { UInt32(count: $0.count) }
        for row in sequences.joined() {
            tokens.append(UInt32(bitPattern: row.token))
            logprobs.append(row.logprob)
            alternativeCounts.append(UInt32(count: row.top.count))
            for alternative in row.top {
                alternativeTokens.append(UInt32(bitPattern: alternative.token))
                alternativeLogprobs.append(alternative.logprob)
            }
        }
    }
}
