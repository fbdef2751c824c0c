package import Telemetry

/// What the API accepts and how it behaves. Every limit has its reason; all are the operator's to change.
package struct APIOptions: Sendable {
    /// Shown by `/version`.
    package var version = "0.1.0"
    /// Request bodies, in bytes. 8 MiB holds every honest prompt and bounds what parsing may cost.
    package var bodyByteCountMax = 8 << 20
    /// Bodies up to this are parsed and tokenized on the event loop: about 1 ms at most. Longer ones go to a thread, and so
    /// do those with a constraint on the answer, which compiles longer than it is.
    package var inlineByteCountMax = 16 << 10
    /// Bodies on their way through a thread at once, half of them one tenant's at most while others ask; more are answered
    /// with 429.
    package var preparationCountMax = 256
    /// Text for `/tokenize`, which no context bounds: about half a second of work.
    package var tokenizeByteCountMax = 1 << 20
    /// Choices per prompt (`n`). Each is a sequence of its own.
    package var choiceCountMax = 8
    /// Prompts in one completion request.
    package var promptCountMax = 128
    /// Texts in one request to be embedded or scored; OpenAI allows as many.
    package var textCountMax = 2048
    /// Prompts times choices.
    package var sequenceCountMax = 256
    /// Messages in one chat.
    package var messageCountMax = 4_096
    /// Alternatives per token.
    package var logprobCountMax = 20
    /// OpenAI allows 4. Each is looked for in every piece of text.
    package var stopStringCountMax = 8
    /// Bytes of a stop string: so much text may be held back.
    package var stopStringByteCountMax = 64
    /// Tokens that end an answer, beside the model's own.
    package var stopTokenCountMax = 64
    /// Each is applied to the logits at every token.
    package var logitBiasCountMax = 1_024
    /// Response bytes that may wait for a reader for longer than `unsentSeconds`; with more it is given up.
    package var unsentByteCountMax = 4 << 20
    /// More than `unsentByteCountMax` may wait for so long: a large answer that is written at once needs its time.
    package var unsentSeconds: Int64 = 10
    /// A comment goes down a silent stream this often, so that proxies in between keep it open.
    package var keepAliveSeconds: Int64 = 10
    /// When the client says nothing.
    package var defaultTemperature: Float = 1
    package var defaultTopP: Float = 1
    package var defaultTopK = 0
    /// `max_tokens` of completions without one, as OpenAI has it. Chats take what the context leaves.
    package var defaultCompletionTokens = 16
    /// `Retry-After` where the service gives no figure of its own.
    package var retryAfterSeconds = 2
    /// Key of the ids of streams' events, shared by all routers that clients may turn to; nil: events have no ids.
    package var resumeKey: [UInt8]?
    /// How old an id may be that a client goes on from.
    package var resumeSeconds: Int64 = 600
    /// Request header, in lower case, whose value is the tenant; nil where nobody tells tenants apart. What clients
    /// may write themselves is no tenant: a proxy in front has to set it.
    package var tenantHeader: String?
    /// Web pages that may ask; nil: those of the API's own origin alone.
    package var crossOrigin: CrossOrigin?
    /// Bytes of a tenant's name.
    package var tenantByteCountMax = 128
    /// Names that stand for models.
    package var aliases: [ModelAlias] = []
    /// Models that get copies of others' requests.
    package var shadows: [ModelShadow] = []
    /// Whether `/metrics` is on the public port as well as on the admin port.
    package var servesMetricsPublicly = true
    /// Which requests are traced; nil: none, and nobody's headers are read for it.
    package var traceSampling: TraceSampling?

    package init() {}
}
