package import Inference

/// A validated request: tokenized prompts and how to continue them, or to read each as a whole. `prompts.count * choiceCount` choices;
/// choice `prompt * choiceCount + i` continues prompt `prompt` with seed `CounterRandom.seed(seed, choice: i)`.
package struct GenerationRequest: Sendable {
    package var model: String
    package var prompts: [[TokenID]]
    package var choiceCount: Int = 1
    /// For each prompt, how it is read as a whole by a model that does; nil continues them.
    package var pooling: [Pooling]? = nil
    /// `sampling.seed` is the request's seed, drawn by the API when the client gave none.
    package var sampling: SamplingParameters
    /// Cut the text before the first of these. At most 8 of at most 64 bytes.
    package var stopStrings: [String] = []
    package var includesStopString = false
    package var skipsSpecialTokens = true
    /// Higher goes first.
    package var priority = 0
    package var salt: UInt64 = 0
    /// The only numerics id that may compute it; nil for any.
    package var numericsID: String? = nil
    /// A copy of a request that another model answers. It runs at once or not at all, ends when others have to wait, and is
    /// on nobody's account.
    package var isCopy = false
    /// Who asks. Workers are shared fairly between tenants; empty where nobody tells them apart.
    package var tenant = ""
    /// Seconds a request may wait for admission, and live in all. nil, and more than that: the router's limits.
    package var queueTimeoutSeconds: Double? = nil
    package var requestTimeoutSeconds: Double? = nil
    /// Its place in a trace; nil where nobody traces.
    package var trace: RequestTrace? = nil
    /// For the log; nil where nobody reads it, and for copies.
    package var origin: RequestOrigin? = nil

    package init(model: String, prompts: [[TokenID]], sampling: SamplingParameters) {
        self.model = model
        self.prompts = prompts
        self.sampling = sampling
    }

    /// Of all prompts, each once.
    package var promptTokenCount: Int { prompts.reduce(0) { $0 + $1.count } }

    /// About what a router holds for it while it waits, besides its prompts' tokens: bytes of its parameters, and of
    /// each choice's journal and text.
    package var heldBytes: Int {
        let parameters =
            stopStrings.reduce(0) { $0 + $1.utf8.count } + MemoryLayout<LogitBias>.size * sampling.logitBias.count
            + MemoryLayout<TokenID>.size * sampling.stopTokens.count
        let (choices, overflows) = prompts.count.multipliedReportingOverflow(by: max(0, choiceCount))
        let (bytes, bytesOverflow) = choices.multipliedReportingOverflow(by: 1024 + parameters)
        return overflows || bytesOverflow ? .max : bytes
    }
}

/// Where a request's spans belong.
package struct RequestTrace: Equatable, Sendable {
    /// The request's own span, sampled or not.
    package var context: TraceContext
    /// The caller's span; nil where the request begins the trace.
    package var parentID: SpanID?
    /// What the request is, as `gen_ai.operation.name` has it: "chat", "text_completion" or "embeddings".
    package var operation: String

    package init(context: TraceContext, parentID: SpanID?, operation: String) {
        self.context = context
        self.parentID = parentID
        self.operation = operation
    }
}

/// What becomes of a request, in order. After `.finished` or `.failed` nothing follows.
package enum GenerationEvent: Sendable {
    /// A choice is in a worker of this numerics id. It may be told again, of another worker; the numerics id can only be
    /// another while the choice has no text.
    case admitted(choice: Int, numericsID: String)
    /// Text of one choice. Whole characters only. `tokens` are those whose text ended with this delta; with logprobs
    /// asked for, `logprobs` has one element for each.
    case delta(choice: Int, text: String, tokens: [TokenID], logprobs: [LoggedToken])
    /// Log-probabilities of a prompt (positions 1...; position 0 has none), before the choice's first delta.
    case promptLogprobs(choice: Int, [LoggedToken])
    /// What the model made of a text that it read as a whole. Once for each choice, before it is finished.
    case pooled(choice: Int, [Float])
    case choiceFinished(choice: Int, FinishReason)
    case finished(Usage)
    case failed(ServeError)
}

/// A token with its text and log-probabilities, ready for any dialect.
package struct LoggedToken: Equatable, Sendable {
    package struct Alternative: Equatable, Sendable {
        package var token: TokenID
        /// The token's own bytes, which may be part of a character.
        package var bytes: [UInt8]
        package var logprob: Float
        package init(token: TokenID, bytes: [UInt8], logprob: Float) {
            self.token = token
            self.bytes = bytes
            self.logprob = logprob
        }
    }
    package var chosen: Alternative
    /// Most likely first.
    package var top: [Alternative]
    package init(chosen: Alternative, top: [Alternative]) {
        self.chosen = chosen
        self.top = top
    }
}

package enum FinishReason: Equatable, Sendable {
    /// A stop token or a stop string; the string is named.
    case stop(String?)
    case length
}

/// Token counts of a request, over all its choices. Each prompt counts once.
package struct Usage: Equatable, Sendable {
    package var promptTokens: Int
    package var completionTokens: Int
    package var cachedTokens: Int
    package init(promptTokens: Int, completionTokens: Int, cachedTokens: Int) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.cachedTokens = cachedTokens
    }
}
