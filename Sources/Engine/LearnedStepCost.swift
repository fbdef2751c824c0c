/// What a step takes: so much for itself, for each row of decode and for each prompt token, learned step by step.
///
/// Steps without prompts tell what decode takes; what others take beyond that is their prompts'.
struct LearnedStepCost {
    /// Of the error of a step, so much is made good. A step may well have been held up, but none takes less than it needs.
    private static let (decodeGainUp, decodeGainDown, promptGain) = (0.3, 0.8, 0.1)
    /// A step for itself weighs as so many rows: about what reading the weights costs.
    private static let fixedWeight = 8.0
    /// Prompts take so much of a step at least.
    private static let promptShareMin = 0.1
    /// Fewer prompt tokens say as much less: a few ride on weights that decode reads anyway.
    private static let tellingTokens = 16.0

    /// Seconds, for each unit of weight; nil while no step without prompts was seen.
    private var decode: (fixed: Double, row: Double)?
    /// Of a prompt token; nil while no prompt was seen.
    private(set) var tokenSeconds: Double?

    /// Of a step without prompts; 0 without rows, or while nothing is known.
    func seconds(decodeRows rows: Int) -> Double {
        guard rows > 0, let decode else { return 0 }
        return decode.fixed * Self.fixedWeight + decode.row * Double(rows)
    }

    mutating func learn(_ seconds: Double, decodeRows rows: Int, promptTokens tokens: Int) {
        guard seconds > 0, rows + tokens > 0 else { return }
        if tokens == 0 { learnDecode(seconds, rows) } else { learnPrompt(seconds, rows, Double(tokens)) }
    }

    /// Both parts move, each as far as it weighs: the normalized least mean squares of Widrow and Hoff (1960).
    private mutating func learnDecode(_ seconds: Double, _ rows: Int) {
        let weight = Double(rows)
        guard let known = decode else {
            // Nothing tells them apart yet.
            let each = seconds / (Self.fixedWeight + weight)
            return decode = (each, each)
        }
        let expected = self.seconds(decodeRows: rows)
        // What is far above says more of the machine than of the step.
        let error = min(seconds - expected, expected)
        let gain = error > 0 ? Self.decodeGainUp : Self.decodeGainDown
        let each = gain * error / (Self.fixedWeight * Self.fixedWeight + weight * weight)
        decode = (max(0, known.fixed + each * Self.fixedWeight), max(0, known.row + each * weight))
    }

    private mutating func learnPrompt(_ seconds: Double, _ rows: Int, _ tokens: Double) {
        let own = max(seconds - self.seconds(decodeRows: rows), seconds * Self.promptShareMin) / tokens
        guard let known = tokenSeconds else { return tokenSeconds = own }
        let gain = Self.promptGain * min(1, tokens / Self.tellingTokens)
        tokenSeconds = known + gain * (min(own, 3 * known) - known)
    }
}
