import Inference
import Serving
import Text

/// Pairs of texts to be scored: by a model that reads both at once, or by the cosine of the vectors of both.
struct TextPairs: Sendable {
    /// As many as there are pairs, or one for all of them.
    let firsts: [String]
    let seconds: [String]
    /// What a text is called in the body.
    let firstName: @Sendable (Int) -> String
    let secondName: @Sendable (Int) -> String

    private func first(_ pair: Int) -> Int { firsts.count == 1 ? 0 : pair }

    func prepared(
        _ fields: FieldReader, model: ServedModel, _ output: PooledOutput
    ) throws(APIError) -> PreparedReading {
        for (index, text) in firsts.enumerated() {
            try PreparedGeneration.checkFits(byteCount: text.utf8.count, promptField: firstName(index), model: model)
        }
        for (index, text) in seconds.enumerated() {
            try PreparedGeneration.checkFits(byteCount: text.utf8.count, promptField: secondName(index), model: model)
        }
        switch output {
        case .score:
            let texts = seconds.indices.map { pair in
                let (tokens, second) = model.tokenizer.encodePair(firsts[first(pair)], seconds[pair])
                return (tokens: tokens, pooling: Pooling(secondStart: second))
            }
            return try PreparedReading(fields, texts, model: model) { pair in
                "\(secondName(pair)) with \(firstName(first(pair)))"
            }
        case .vector:
            let texts = (firsts + seconds).map { text in
                (
                    tokens: model.tokenizer.encode(text, parsesSpecialTokens: true, addsBOS: true),
                    pooling: Pooling()
                )
            }
            return try PreparedReading(fields, texts, model: model) { text in
                text < firsts.count ? firstName(text) : secondName(text - firsts.count)
            }
        }
    }

    /// One score for each pair, of what the model made of the texts.
    func scores(_ results: [[Float]], _ output: PooledOutput) -> [Float] {
        switch output {
        case .score: results.map { $0.first ?? 0 }
        case .vector:
            seconds.indices.map { pair in
                guard results.indices.contains(firsts.count + pair) else { return 0 }
                return Self.cosine(results[first(pair)], results[firsts.count + pair])
            }
        }
    }

    /// Of vectors of length 1.
    private static func cosine(_ a: [Float], _ b: [Float]) -> Float {
        let product = zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        return Float(min(1, max(-1, product)))
    }
}
