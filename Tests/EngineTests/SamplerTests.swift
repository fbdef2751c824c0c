import Foundation
import Inference
import TestSupport
import Testing

@testable import Engine

/// The whole of sampling as its documentation says it, by a full sort.
enum FullSort {
    static func choose(
        _ logits: [Float], _ sampling: SamplingParameters, prompt: [TokenID], output: [TokenID], position: Int
    ) -> TokenID {
        var row = logits
        for bias in sampling.logitBias { row[Int(bias.token)] += bias.bias }
        for token in Set(prompt + output) {
            let logit = row[Int(token)]
            row[Int(token)] = logit > 0 ? logit / sampling.repetitionPenalty : logit * sampling.repetitionPenalty
        }
        for token in Set(output) {
            row[Int(token)] -= sampling.presencePenalty
            row[Int(token)] -= sampling.frequencyPenalty * Float(output.count(where: { $0 == token }))
        }
        if output.count < sampling.minTokens { for token in sampling.stopTokens { row[Int(token)] = -.infinity } }

        var ranked = row.indices.sorted { row[$0] != row[$1] ? row[$0] > row[$1] : $0 < $1 }
        guard sampling.temperature > 0 else { return TokenID(ranked[0]) }
        let weight = TokenWeight(maximum: row[ranked[0]], temperature: sampling.temperature)
        if sampling.topK > 0 { ranked = Array(ranked.prefix(sampling.topK)) }
        if sampling.topP < 1 {
            let mass = Double(sampling.topP) * ranked.reduce(0) { $0 + weight(row[$1]) }
            var sum = 0.0
            ranked = Array(
                ranked.prefix { token in
                    defer { sum += weight(row[token]) }
                    return sum < mass
                })
        }
        if sampling.minP > 0 { ranked = ranked.filter { weight.unrounded(row[$0]) >= sampling.minP } }
        let mark =
            CounterRandom.uniform(seed: sampling.seed, position: position) * ranked.reduce(0) { $0 + weight(row[$1]) }
        var sum = 0.0
        for token in ranked.sorted() {
            sum += weight(row[token])
            if sum > mark { return TokenID(token) }
        }
        return TokenID(ranked.sorted().last { weight(row[$0]) > 0 } ?? 0)
    }
}

@Suite struct SamplerTests {
    static let vocabularySizes = [1, 2, 5, 16, 127, 128, 129, 511, 513, 1000, 5003]

    /// Rows of many shapes: peaked, flat, with ties, with impossible tokens.
    static func row(_ count: Int, _ random: inout SeededRandom) -> [Float] {
        let scale: Float = ([0, 0.5, 2, 6, 30] as [Float]).randomElement(using: &random) ?? 1
        let grain: Float = random.happens(0.5) ? 0.25 : 0.0001
        let impossible = random.happens(0.3) ? 0.2 : 0.0
        return (0..<count).map { index -> Float in
            if index > 0 && random.happens(impossible) { return -Float.infinity }
            var sum: Float = 0
            for _ in 0..<4 { sum += Float.random(in: -1...1, using: &random) }
            return (sum * scale / grain).rounded() * grain
        }
    }

    static func parameters(_ count: Int, _ random: inout SeededRandom) -> SamplingParameters {
        var sampling = SamplingParameters()
        sampling.temperature = [Float(0), 1e-6, 0.3, 0.7, 1, 2].randomElement(using: &random) ?? 1
        sampling.topK = [0, 0, 1, 2, 40, 300, count].randomElement(using: &random) ?? 0
        sampling.topP = [Float(1), 1, 1e-6, 0.3, 0.9, 0.95, 0.999_99].randomElement(using: &random) ?? 1
        sampling.minP = [Float(0), 0, 0.01, 0.3, 1].randomElement(using: &random) ?? 0
        sampling.repetitionPenalty = [Float(1), 1, 0.8, 1.3].randomElement(using: &random) ?? 1
        sampling.presencePenalty = [Float(0), 0, -1.5, 0.7].randomElement(using: &random) ?? 0
        sampling.frequencyPenalty = [Float(0), 0, -0.5, 1.1].randomElement(using: &random) ?? 0
        if random.happens(0.3) {
            sampling.logitBias = [LogitBias(token: 0, bias: -3), LogitBias(token: TokenID(count - 1), bias: 4)]
        }
        sampling.minTokens = random.happens(0.3) ? 20 : 0
        sampling.stopTokens = count > 4 ? [1, 3] : []
        sampling.seed = random.next()
        return sampling
    }

    @Test(arguments: vocabularySizes, [11, 12, 13, 14] as [UInt64])
    func `every token is the one that a full sort chooses`(
        count: Int, seed: UInt64
    ) throws {
        var random = SeededRandom(seed: seed)
        var sampler = Sampler(vocabularySize: count)
        for position in 0..<(count > 1000 ? 12 : 60) {
            let (row, sampling) = (Self.row(count, &random), Self.parameters(count, &random))
            let tokens = (0..<12).map { _ in TokenID.random(in: 0..<TokenID(count), using: &random) }
            let counts = TokenCounts(tokens, promptTokenCount: 5, isNeeded: sampling.hasPenalties)

            let chosen = try sampler.choose(
                row.span, sampling, counts: counts, outputCount: 7, position: 12 + position)

            let expected = FullSort.choose(
                row, sampling, prompt: Array(tokens[..<5]), output: Array(tokens[5...]), position: 12 + position)
            #expect(chosen == expected, "\(sampling)")
        }
    }

    @Test func `counting as tokens come equals counting them all`() {
        let tokens: [TokenID] = [5, 5, 7, 5, 9, 9, 5]
        var counts = TokenCounts(Array(tokens[..<4]), promptTokenCount: 3, isNeeded: true)

        for token in tokens[4...] { counts.add(token) }

        #expect(counts == TokenCounts(tokens, promptTokenCount: 3, isNeeded: true))
        #expect(counts.outputCounts == [5: 2, 7: 0, 9: 2])
    }

    @Test func `a tie goes to the lowest id`() throws {
        var sampler = Sampler(vocabularySize: 300)
        var sampling = SamplingParameters()
        sampling.temperature = 0
        var row = [Float](repeating: -1, count: 300)
        for token in [17, 150, 299] { row[token] = 2 }

        let counts = TokenCounts([], promptTokenCount: 0, isNeeded: false)
        #expect(try sampler.choose(row.span, sampling, counts: counts, outputCount: 0, position: 1) == 17)
    }

    @Test func `draws follow the probabilities`() throws {
        var sampler = Sampler(vocabularySize: 4)
        let row = [0.1, 0.2, 0.3, 0.4].map { Float(log($0)) }
        var sampling = SamplingParameters()
        sampling.seed = 99
        let counts = TokenCounts([], promptTokenCount: 0, isNeeded: false)
        var seen = [0, 0, 0, 0]

        for position in 0..<20_000 {
            seen[Int(try sampler.choose(row.span, sampling, counts: counts, outputCount: 0, position: position))] += 1
        }

        for (token, share) in [0.1, 0.2, 0.3, 0.4].enumerated() {
            #expect(abs(Double(seen[token]) / 20_000 - share) < 0.015)
        }
    }

    @Test(arguments: [Float.nan, .infinity, -.signalingNaN]) func `a row that is not all numbers is refused`(bad: Float)
    {
        var sampler = Sampler(vocabularySize: 200)
        let counts = TokenCounts([], promptTokenCount: 0, isNeeded: false)
        for place in [0, 127, 199] {
            var row = [Float](repeating: 0.5, count: 200)
            row[place] = bad
            for temperature in [Float(0), 1] {
                var sampling = SamplingParameters()
                sampling.temperature = temperature
                #expect(throws: SamplingError.unsoundLogits) {
                    try sampler.choose(row.span, sampling, counts: counts, outputCount: 0, position: 3)
                }
                sampling.minTokens = 1
                sampling.stopTokens = [TokenID(place)]
                #expect(throws: SamplingError.unsoundLogits) {
                    try sampler.choose(row.span, sampling, counts: counts, outputCount: 0, position: 3)
                }
            }
            #expect(throws: SamplingError.unsoundLogits) { try sampler.logprobs(row.span, of: 1, topCount: 2) }
        }
    }

    @Test func `a row where nothing is possible is refused`() {
        var sampler = Sampler(vocabularySize: 20)
        let row = [Float](repeating: -.infinity, count: 20)
        let counts = TokenCounts([], promptTokenCount: 0, isNeeded: false)
        #expect(throws: SamplingError.unsoundLogits) {
            try sampler.choose(row.span, SamplingParameters(), counts: counts, outputCount: 0, position: 0)
        }
    }

    @Test func `parameters out of their range choose some token and trap nowhere`() throws {
        var sampler = Sampler(vocabularySize: 50)
        let row = (0..<50).map { Float($0 % 7) }
        let counts = TokenCounts([-4, 3, 900], promptTokenCount: 1, isNeeded: true)
        for wild in [-Float.infinity, -1, 0, .nan, .infinity, .leastNonzeroMagnitude] {
            var sampling = SamplingParameters()
            (sampling.temperature, sampling.topP, sampling.minP) = (wild, wild, wild)
            (sampling.repetitionPenalty, sampling.presencePenalty, sampling.frequencyPenalty) = (wild, wild, wild)
            sampling.topK = -5
            sampling.minTokens = .max
            sampling.stopTokens = [-1, 2, 1_000_000]
            sampling.logitBias = [LogitBias(token: -7, bias: wild), LogitBias(token: 77, bias: wild)]
            let token = try? sampler.choose(row.span, sampling, counts: counts, outputCount: 0, position: .min)
            #expect(token == nil || (0..<50).contains(token ?? -1))
        }
    }

    @Test(arguments: [3, 128, 1000]) func `log-probabilities are those of the raw row, best first`(count: Int) throws {
        var random = SeededRandom(seed: UInt64(count))
        var sampler = Sampler(vocabularySize: count)
        for _ in 0..<20 {
            let row = Self.row(count, &random)
            let token = TokenID(0)

            let result = try sampler.logprobs(row.span, of: token, topCount: 25)

            let total = row.reduce(0.0) { $0 + exp(Double($1)) }
            func expected(_ token: TokenID) -> Double {
                max(Double(row[Int(token)]) - log(total), -Double(Float.greatestFiniteMagnitude))
            }
            #expect(abs(Double(result.logprob) - expected(token)) < 1e-5 * max(1, abs(expected(token))))
            let ranked = row.indices.sorted { row[$0] != row[$1] ? row[$0] > row[$1] : $0 < $1 }
            #expect(result.top.map { Int($0.token) } == Array(ranked.prefix(20)))
            for alternative in result.top {
                let value = expected(alternative.token)
                #expect(abs(Double(alternative.logprob) - value) < 1e-5 * max(1, abs(value)))
                #expect(alternative.logprob.isFinite)
            }
        }
    }
}

@Suite struct TokenWeightTests {
    @Test func `the exponential is right to a few units in the last place`() {
        for step in 0...200_000 {
            let x = -Float(step) * 4e-4
            let value = Double(TokenWeight.exponential(x))
            #expect(abs(value / exp(Double(x)) - 1) < 2.5e-7)
        }
    }

    @Test func `the logarithm is right to the last places`() {
        for step in 1...10_000 {
            let x = Double(step) * Double(step) * 1.7e-6
            #expect(abs(TokenWeight.logarithm(x) - log(x)) < 4e-16 * max(1, abs(log(x))))
        }
        #expect(TokenWeight.logarithm(1) == 0)
    }

    @Test(arguments: [1, 15, 16, 127, 128, 129, 1025, 4096]) func `a row's sum is that of its tokens one by one`(
        count: Int
    ) {
        var random = SeededRandom(seed: UInt64(count))
        for temperature in [Float(0.1), 1, 2] {
            let row = (0..<count).map { _ in Float.random(in: -30...30, using: &random) }
            var scan = RowScan()
            let weight = TokenWeight(maximum: scan.maximum(of: row.span) ?? .nan, temperature: temperature)

            let sum = scan.sumWeights(of: row.span, weight)

            #expect(row.max() == scan.maximum(of: row.span))
            #expect(sum == row.reduce(0) { $0 + weight($1) })
            #expect(sum == scan.sums.reduce(0, +))
        }
    }

    @Test func `sums do not depend on their order`() {
        var random = SeededRandom(seed: 6)
        let weight = TokenWeight(maximum: 0, temperature: 1)
        let weights = (0..<50_000).map { _ in weight(Float.random(in: -30...0, using: &random)) }

        let forward = weights.reduce(0, +)

        #expect(weights.reversed().reduce(0, +) == forward)
        #expect(weights.shuffled(using: &random).reduce(0, +) == forward)
    }
}
