package import Inference
package import Text

/// The door between what clients speak and what serves them. Confined to one event loop; never blocks.
///
/// The router is one; the API's tests have a scripted one.
package protocol GenerationService: AnyObject {
    /// Models that at least one worker has announced, or that the operator expects, sorted by name. A model stays listed
    /// while its workers are away.
    var models: [ServedModel] { get }
    /// True when at least one worker of at least one model can take work, or a model's requests may wait for workers that
    /// are started on demand.
    var isReady: Bool { get }
    /// True when at least one worker of this model can take work.
    func isReady(_ model: String) -> Bool
    /// Whether workers of that numerics id serve the model now: whether a request may be bound to it.
    func serves(model: String, numericsID: String) -> Bool
    /// Queues the request. Events come later, on the same event loop, never from inside this call.
    /// - Throws: what is known at once (unknown model, too long, queue full, shutting down); nothing has changed then.
    func submit(_ request: GenerationRequest, receiver: any GenerationReceiver) throws(ServeError) -> RequestID
    /// What autoscalers may go by; nil for a model that is not listed.
    func scalingSignals(of model: String) -> ScalingSignals?
    /// The client is gone or has had enough. No event follows. Unknown and finished ids are ignored.
    func cancel(_ id: RequestID)
}

extension GenerationService {
    package func serves(model: String, numericsID: String) -> Bool {
        models.contains { $0.name == model && $0.numericsID == numericsID }
    }
}

package protocol GenerationReceiver: AnyObject {
    func generationProduced(_ event: GenerationEvent)
}

/// A model as clients see it. Immutable; shared between threads.
package final class ServedModel: Sendable {
    package let name: String
    package let tokenizer: Tokenizer
    /// nil when the model file has none: then chat requests are refused with a sentence that says so.
    package let chatTemplate: ChatTemplate?
    package let contextLength: Int
    /// What its tokens depend on besides the request; nil while workers of several serve the name, as in an upgrade.
    package let numericsID: String?
    /// Seconds since 1970.
    package let created: Int64
    /// What it makes of texts that it reads as a whole; nil where it generates.
    package let pooledOutput: PooledOutput?

    package init(
        name: String, tokenizer: Tokenizer, chatTemplate: ChatTemplate?, contextLength: Int, numericsID: String?,
        created: Int64, pooledOutput: PooledOutput? = nil
    ) {
        self.name = name
        self.tokenizer = tokenizer
        self.chatTemplate = chatTemplate
        self.contextLength = contextLength
        self.numericsID = numericsID
        self.created = created
        self.pooledOutput = pooledOutput
    }
}
