package import Grammar
package import Inference

/// Why a row of logits gives no token.
package enum SamplingError: Error, Equatable, Sendable {
    /// The row holds a NaN or positive infinity, or nothing but negative infinities.
    case unsoundLogits
    /// This worker cannot hold the output to its constraint; a sentence says why.
    case constraint(String)
    /// Nobody can, with what was asked for; a sentence says why.
    case unfollowable(String)

    /// For the client.
    /// - Parameter position: of the token that was to be chosen.
    func sentence(position: Int) -> String {
        switch self {
        case .unsoundLogits: "The model's logits for position \(position) are not finite numbers."
        case .constraint(let sentence), .unfollowable(let sentence): sentence
        }
    }

    /// How a sequence ends with it.
    /// - Parameter position: of the token that was to be chosen.
    func finish(position: Int) -> SequenceFinish {
        let sentence = sentence(position: position)
        return if case .unfollowable = self { .unservable(sentence) } else { .failed(sentence) }
    }
}

/// Chooses tokens from rows of logits, as ``SamplingParameters`` says, and reports log-probabilities.
///
/// The token is a function of the row, the parameters, the tokens so far and its position: the state here is scratch
/// memory, of one thread. What is kept by top-k, top-p and min-p is a leading part of all tokens ordered by logit, then
/// id; the draw walks the kept ones in order of id. Weights are exact numbers (see ``TokenWeight``), so the shortcuts
/// taken here (no row is ever sorted) give what a full sort would.
package struct Sampler {
    private var scan = RowScan()
    /// The row after bias and penalties, where there are any.
    private var adjusted: [Float]
    private var candidates: [Candidate] = []
    private var reordered: [Candidate] = []
    private var heap = WorstFirstHeap()
    private var wide = WideNucleus()
    /// Logits of stop tokens while a mask is applied.
    private var stopLogits: [Float] = []

    /// Candidates that there is room for from the start; a flat row has more.
    private static let candidateRoom = 1024

    package init(vocabularySize: Int) {
        adjusted = Array(repeating: 0, count: vocabularySize)
        scan.reserve(vocabularySize)
        candidates.reserveCapacity(Self.candidateRoom)
        reordered.reserveCapacity(Self.candidateRoom)
        heap.reset(capacity: Self.candidateRoom)
    }

    /// Chooses the token for `position`.
    /// - Parameters:
    ///   - logits: (vocabularySize), raw.
    ///   - outputCount: tokens of output before this one.
    ///   - mask: what the output's constraint allows.
    package mutating func choose(
        _ logits: Span<Float>, _ sampling: SamplingParameters, counts: TokenCounts, outputCount: Int, position: Int,
        mask: TokenMask? = nil
    ) throws(SamplingError) -> TokenID {
        let masksStops = outputCount < sampling.minTokens && !sampling.stopTokens.isEmpty
        let adjusts = sampling.hasPenalties || masksStops || !sampling.logitBias.isEmpty
        guard adjusts || mask != nil else { return try choose(from: logits, sampling, position) }
        guard let maximum = scan.maximum(of: logits) else { throw .unsoundLogits }
        if let mask, !adjusts, sampling.temperature <= 0 {
            // The likeliest of all is the likeliest allowed one, if it is allowed.
            let likeliest = scan.firstToken(with: maximum, in: logits)
            if mask.contains(likeliest), !sampling.stopTokens.contains(likeliest) { return likeliest }
        }
        logits.withUnsafeBufferPointer { logits in
            adjusted.withUnsafeMutableBufferPointer {
                _ = $0.update(fromContentsOf: logits.prefix($0.count))
            }
        }
        for bias in sampling.logitBias { adjust(bias.token) { $0 + bias.bias } }
        for (token, count) in counts.outputCounts {
            adjust(token) { Self.penalized($0, sampling, outputCount: count) }
        }
        guard let mask else {
            if masksStops { for token in sampling.stopTokens { adjust(token) { _ in -.infinity } } }
            return try chooseAdjusted(sampling, position)
        }
        // Where nothing but the end is left it comes, whatever `minTokens` says.
        apply(mask, stopTokens: sampling.stopTokens, mayStop: mask.mayEnd && (!masksStops || mask.count == 0))
        do throws(SamplingError) {
            return try chooseAdjusted(sampling, position)
        } catch {
            throw .unfollowable("The tokens that the output's constraint allows here are all impossible.")
        }
    }

    /// Log-probabilities of the raw row: of `token` and of the `topCount` likeliest, most likely first.
    package mutating func logprobs(
        _ logits: Span<Float>, of token: TokenID, topCount: Int
    ) throws(SamplingError) -> TokenLogprobs {
        guard let maximum = scan.maximum(of: logits) else { throw .unsoundLogits }
        let total = scan.sumWeights(of: logits, TokenWeight(maximum: maximum, temperature: 1))
        let logTotal = Double(maximum) + TokenWeight.logarithm(total)
        func logprob(_ logit: Float) -> Float {
            // The wire carries no infinities: an impossible token has the lowest finite log-probability.
            max(Float(Double(logit) - logTotal), -.greatestFiniteMagnitude)
        }
        let own = token >= 0 && Int(token) < logits.count ? logits[Int(token)] : -.infinity
        scan.best(min(topCount, Self.topCountMax, logits.count), of: logits, into: &heap)
        heap.sort()
        return TokenLogprobs(
            token: token, logprob: logprob(own),
            top: heap.candidates.map { .init(token: $0.token, logprob: logprob($0.logit)) })
    }

    /// Alternatives reported for one token at most: what the OpenAI API allows.
    package static let topCountMax = 20

    // MARK: - Bias and penalties

    private mutating func adjust(_ token: TokenID, _ change: (Float) -> Float) {
        guard token >= 0 && Int(token) < adjusted.count else { return }
        adjusted[Int(token)] = change(adjusted[Int(token)])
    }

    private static func penalized(_ logit: Float, _ sampling: SamplingParameters, outputCount: Int32) -> Float {
        let penalty = sampling.repetitionPenalty
        var logit = penalty == 1 ? logit : logit > 0 ? logit / penalty : logit * penalty
        if outputCount > 0 {
            logit -= sampling.presencePenalty
            logit -= sampling.frequencyPenalty * Float(outputCount)
        }
        return logit
    }

    // MARK: - Constraint

    /// Makes impossible what the mask does not allow. Stop tokens end the output, whatever text they stand for, so the
    /// mask does not count for them.
    private mutating func apply(_ mask: TokenMask, stopTokens: [TokenID], mayStop: Bool) {
        stopLogits.removeAll(keepingCapacity: true)
        for token in stopTokens where token >= 0 && Int(token) < adjusted.count {
            stopLogits.append(mayStop ? adjusted[Int(token)] : -.infinity)
        }
        mask.words.withUnsafeBufferPointer { words in
            adjusted.withUnsafeMutableBufferPointer { logits in
                for start in stride(from: 0, to: logits.count, by: 64) {
                    let count = min(64, logits.count - start)
                    var missing = start >> 6 < words.count ? ~words[start >> 6] : .max
                    if count < 64 { missing &= 1 << UInt64(count) - 1 }
                    if missing == .max {
                        for index in start..<start + 64 { logits[index] = -.infinity }
                    } else {
                        while missing != 0 {
                            logits[start + missing.trailingZeroBitCount] = -.infinity
                            missing &= missing - 1
                        }
                    }
                }
            }
        }
        var place = 0
        for token in stopTokens where token >= 0 && Int(token) < adjusted.count {
            adjusted[Int(token)] = stopLogits[place]
            place += 1
        }
    }

    // MARK: - Choice

    private mutating func chooseAdjusted(_ sampling: SamplingParameters, _ position: Int) throws(SamplingError)
        -> TokenID
    {
        // The row leaves its place while it is read, so that the rest of the scratch memory may change.
        let row = adjusted
        return try choose(from: row.span, sampling, position)
    }

    private mutating func choose(
        from row: Span<Float>, _ sampling: SamplingParameters, _ position: Int
    ) throws(SamplingError) -> TokenID {
        guard let maximum = scan.maximum(of: row) else { throw .unsoundLogits }
        guard sampling.temperature > 0 else { return scan.firstToken(with: maximum, in: row) }
        let weight = TokenWeight(maximum: maximum, temperature: sampling.temperature)
        let chance = CounterRandom.uniform(seed: sampling.seed, position: position)
        let keepsAll = sampling.topK <= 0 || sampling.topK >= row.count

        if keepsAll && sampling.minP > 0 {
            // What min-p drops anyway need not be looked at; top-p may cut within what is left.
            scan.collect(atLeast: weight.logitBound(ofWeight: Double(sampling.minP)), of: row, into: &candidates)
            weigh(weight)
            if sampling.topP < 1 { _ = cut(reaching: Double(sampling.topP) * scan.sumWeights(of: row, weight)) }
        } else if !keepsAll {
            scan.best(sampling.topK, of: row, into: &heap)
            if sampling.topP < 1 { heap.sort() }
            candidates.removeAll(keepingCapacity: true)
            candidates.append(contentsOf: heap.candidates)
            weigh(weight)
            if sampling.topP < 1 { keepLeading(sampling.topP) }
            candidates.sortInPlace { $0.token < $1.token }
        } else if sampling.topP < 1 {
            return drawFromNucleus(of: row, weight, share: Double(sampling.topP), chance)
        } else {
            return drawFromAll(row, weight, chance)
        }
        if sampling.minP > 0 { candidates.removeAll { weight.unrounded($0.logit) < sampling.minP } }
        return draw(chance)
    }

    private mutating func weigh(_ weight: TokenWeight) {
        for place in candidates.indices { candidates[place].weight = weight(candidates[place].logit) }
    }

    /// Top-p among candidates in order of rank.
    private mutating func keepLeading(_ share: Float) {
        let mass = Double(share) * candidates.reduce(0) { $0 + $1.weight }
        var sum = 0.0
        for place in candidates.indices {
            sum += candidates[place].weight
            if sum >= mass {
                candidates.removeSubrange((place + 1)...)
                return
            }
        }
    }

    /// Top-p of the whole row. Few tokens make up the share of most rows, and those are looked at first.
    private mutating func drawFromNucleus(
        of row: Span<Float>, _ weight: TokenWeight, share: Double, _ chance: Double
    ) -> TokenID {
        let total = scan.sumWeights(of: row, weight)
        let mass = max(share * total, 0x1p-40)
        scan.collect(atLeast: weight.logitBound(ofWeight: 1e-3), of: row, into: &candidates)
        weigh(weight)
        guard cut(reaching: mass) else { return wide.draw(row, weight, mass: mass, chance: chance) }
        return draw(chance)
    }

    /// Keeps the smallest leading part of the candidates whose weights reach `mass`.
    /// - Returns: false when all of them do not; all are kept then.
    private mutating func cut(reaching mass: Double) -> Bool {
        guard candidates.reduce(0, { $0 + $1.weight }) >= mass else { return false }
        reordered.removeAll(keepingCapacity: true)
        reordered.append(contentsOf: candidates)
        guard let last = MassCut.last(reaching: max(mass, 0x1p-40), in: &reordered) else { return false }
        candidates.removeAll { last.isBefore($0) }
        return true
    }

    /// Draws among candidates in order of id.
    private func draw(_ chance: Double) -> TokenID {
        let mark = chance * candidates.reduce(0) { $0 + $1.weight }
        var sum = 0.0
        var last: TokenID = 0
        for candidate in candidates where candidate.weight > 0 {
            sum += candidate.weight
            last = candidate.token
            if sum > mark { break }
        }
        return last
    }

    /// Draws from the whole row in order of id: whole runs are skipped by their sums.
    private mutating func drawFromAll(_ row: Span<Float>, _ weight: TokenWeight, _ chance: Double) -> TokenID {
        let mark = chance * scan.sumWeights(of: row, weight)
        var sum = 0.0
        var last: TokenID = 0
        for (run, runSum) in scan.sums.enumerated() {
            if sum + runSum <= mark && run < scan.sums.count - 1 {
                sum += runSum
                continue
            }
            for index in run * RowScan.sumSize..<min(row.count, (run + 1) * RowScan.sumSize) {
                let weight = weight(row[index])
                guard weight > 0 else { continue }
                sum += weight
                last = TokenID(index)
                if sum > mark { return last }
            }
        }
        return last
    }
}
