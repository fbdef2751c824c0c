/// How the next token is chosen. Already validated: every value is finite and in its range.
///
/// Order of application: logit bias, penalties, constraint, (greedy stops here), temperature, top-k, top-p, min-p, draw.
/// Ties and sort order break by lower token id. Logprobs are of the raw logits, before all of this.
package struct SamplingParameters: Equatable, Sendable {
    /// 0 is greedy: the highest logit, lowest id on a tie. Range 0...2.
    package var temperature: Float = 1
    /// 0 keeps all.
    package var topK: Int = 0
    /// Smallest set of most likely tokens whose probability reaches this. Range (0, 1]; 1 keeps all.
    package var topP: Float = 1
    /// Keeps tokens at least this fraction as likely as the likeliest. Range 0...1; 0 keeps all.
    package var minP: Float = 0
    /// Divides positive and multiplies negative logits of tokens seen in prompt or output. > 0; 1 is off.
    package var repetitionPenalty: Float = 1
    /// Subtracted once from the logit of each token seen in the output. -2...2.
    package var presencePenalty: Float = 0
    /// Subtracted per occurrence in the output. -2...2.
    package var frequencyPenalty: Float = 0
    /// Added to raw logits, sorted by token id, each id once.
    package var logitBias: [LogitBias] = []
    /// Root of all randomness of this sequence; see ``CounterRandom``. Drawn by the router when the client gives none.
    package var seed: UInt64 = 0
    /// Output tokens at most, counted from the end of the prompt. At least 1 (0 only with prompt logprobs or echo).
    package var maxTokens: Int = 16
    /// Stop tokens are impossible until this many output tokens exist.
    package var minTokens: Int = 0
    /// Tokens that end the sequence; end-of-sequence tokens are among them unless the client ignores them. Sorted, unique.
    package var stopTokens: [TokenID] = []
    /// How many most likely alternatives to report per output token; nil reports nothing, 0 only the chosen token's.
    package var logprobs: Int? = nil
    /// The same for prompt tokens. Asking for it recomputes the prompt: its prefix is not taken from the cache.
    package var promptLogprobs: Int? = nil
    /// What the whole output must be; nil is anything. Stop tokens are possible exactly where the output may end.
    package var constraint: OutputConstraint? = nil

    package init() {}
}

package struct LogitBias: Equatable, Sendable {
    package var token: TokenID
    package var bias: Float
    package init(token: TokenID, bias: Float) {
        self.token = token
        self.bias = bias
    }
}

/// Log-probability (natural logarithm) of a token and of its most likely alternatives, most likely first.
package struct TokenLogprobs: Equatable, Sendable {
    package var token: TokenID
    package var logprob: Float
    package var top: [Alternative]

    package struct Alternative: Equatable, Sendable {
        package var token: TokenID
        package var logprob: Float
        package init(token: TokenID, logprob: Float) {
            self.token = token
            self.logprob = logprob
        }
    }

    package init(token: TokenID, logprob: Float, top: [Alternative]) {
        self.token = token
        self.logprob = logprob
        self.top = top
    }
}
