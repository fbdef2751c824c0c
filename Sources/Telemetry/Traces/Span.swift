package import Inference

/// One piece of work that has ended, as whoever keeps traces is told of it. Never holds text of prompts or answers.
package struct Span: Equatable, Sendable {
    /// Raw values are OTLP's.
    package enum Kind: UInt64, Sendable {
        /// Within this process.
        case inside = 1
        /// For a caller.
        case server = 2
        /// At another process, as the one that asked sees it.
        case client = 3
    }

    package enum Status: Equatable, Sendable {
        case unset
        /// A sentence or a code that says what failed.
        case failed(String)
    }

    package enum Value: Equatable, Sendable {
        case text(String)
        case integer(Int)
        case number(Double)
        case flag(Bool)
        case texts([String])
    }

    package var context: TraceContext
    package var parentID: SpanID?
    package var name: String
    package var kind: Kind
    package var startedAt: Instant
    package var endedAt: Instant
    package var attributes: [(key: SpanKey, value: Value)]
    package var status: Status

    package init(
        _ name: String, _ kind: Kind, context: TraceContext, parentID: SpanID?, from startedAt: Instant,
        to endedAt: Instant, attributes: [(key: SpanKey, value: Value)] = [], status: Status = .unset
    ) {
        self.context = context
        self.parentID = parentID
        self.name = name
        self.kind = kind
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.attributes = attributes
        self.status = status
    }

    package subscript(_ key: SpanKey) -> Value? { attributes.first { $0.key == key }?.value }

    package static func == (a: Span, b: Span) -> Bool {
        a.context == b.context && a.parentID == b.parentID && a.name == b.name && a.kind == b.kind
            && a.startedAt == b.startedAt && a.endedAt == b.endedAt && a.status == b.status
            && a.attributes.elementsEqual(b.attributes) { $0.key == $1.key && $0.value == $1.value }
    }
}

/// Every attribute of a span, one row each. `gen_ai.` names are those of OpenTelemetry's conventions for generative AI
/// (semantic conventions 1.41), `apus.` names are ours.
package enum SpanKey: String, CaseIterable, Sendable {
    case operation = "gen_ai.operation.name"
    case provider = "gen_ai.provider.name"
    case requestModel = "gen_ai.request.model"
    case maxTokens = "gen_ai.request.max_tokens"
    case temperature = "gen_ai.request.temperature"
    case topP = "gen_ai.request.top_p"
    case topK = "gen_ai.request.top_k"
    case frequencyPenalty = "gen_ai.request.frequency_penalty"
    case presencePenalty = "gen_ai.request.presence_penalty"
    case choiceCount = "gen_ai.request.choice.count"
    case finishReasons = "gen_ai.response.finish_reasons"
    /// Seconds from submission to the first token.
    case timeToFirstChunk = "gen_ai.response.time_to_first_chunk"
    case inputTokens = "gen_ai.usage.input_tokens"
    case outputTokens = "gen_ai.usage.output_tokens"
    /// Tokens of the prompt that were in a worker's cache.
    case cachedTokens = "gen_ai.usage.cache_read.input_tokens"
    /// Why the work failed, in one word.
    case errorType = "error.type"
    /// Of the worker.
    case serverAddress = "server.address"
    /// How the request ended: completed, cancelled, or the word of its failure.
    case outcome = "apus.outcome"
    /// From 0 on.
    case choice = "apus.choice"
    /// From 1 on, of its choice.
    case attempt = "apus.attempt"
    /// Tokens of the answer that earlier attempts had produced.
    case resumedTokens = "apus.resumed_tokens"
    /// Which bits the worker computes.
    case numericsID = "apus.numerics_id"
    /// The sequence's name on the link.
    case sequence = "apus.sequence"
    /// How often a choice went on on another worker.
    case moves = "apus.moves"
    /// Why the attempt ended before the answer did.
    case moveCause = "apus.move.cause"
}
