import Inference
import Logging
import Serving
import Text

/// Models that workers have announced, or that are expected. One stays listed while its workers are away.
struct ModelCatalogue {
    private var byName: [String: ServedModel] = [:]
    /// Not listed, whatever workers announce.
    private var hidden: Set<String> = []
    /// Sorted by name.
    private(set) var all: [ServedModel] = []

    subscript(_ name: String) -> ServedModel? { byName[name] }

    func isHidden(_ name: String) -> Bool { hidden.contains(name) }

    /// Takes the name off the list. What is known of the model stays, for requests that are under way.
    mutating func hide(_ name: String) {
        hidden.insert(name)
        list()
    }

    mutating func show(_ name: String) {
        hidden.remove(name)
        list()
    }

    mutating func remove(_ name: String) {
        byName[name] = nil
        list()
    }

    /// Whether requests made for the model that is listed can run on a worker that announces the same name: their
    /// tokens must mean the same there, and the answers be of one kind. Chat templates may differ: no worker reads them.
    func agrees(_ description: WorkerDescription, _ tokenizer: Tokenizer) -> Bool {
        guard let listed = byName[description.model] else { return true }
        guard listed.pooledOutput == description.pooledOutput else { return false }
        guard listed.tokenizer !== tokenizer else { return true }
        var spec = tokenizer.spec
        spec.chatTemplate = listed.tokenizer.spec.chatTemplate
        return listed.tokenizer.spec == spec
    }

    /// Whether the listing says what a worker says.
    func tells(_ description: WorkerDescription, _ tokenizer: Tokenizer) -> Bool {
        byName[description.model]?.contextLength == description.contextLength
            && hasTemplate(of: tokenizer, description.model) && agrees(description, tokenizer)
    }

    /// Whether chats of a model are rendered as this tokenizer's worker would have it.
    func hasTemplate(of tokenizer: Tokenizer, _ model: String) -> Bool {
        guard let listed = byName[model] else { return true }
        return listed.tokenizer.spec.chatTemplate == tokenizer.spec.chatTemplate
    }

    /// Lists a model, in place of one of the same name.
    mutating func list(_ description: WorkerDescription, _ tokenizer: Tokenizer, created: Int64, logger: Logger) {
        put(
            ServedModel(
                name: description.model, tokenizer: tokenizer, chatTemplate: Self.template(tokenizer, logger),
                contextLength: description.contextLength, numericsID: description.numericsID, created: created,
                pooledOutput: description.pooledOutput))
    }

    /// Lists a model that no worker has announced.
    mutating func list(_ model: ExpectedModel, created: Int64, logger: Logger) {
        put(
            ServedModel(
                name: model.name, tokenizer: model.tokenizer, chatTemplate: Self.template(model.tokenizer, logger),
                contextLength: model.contextLength, numericsID: nil, created: created))
    }

    /// Says who serves a name now. While it is nobody, what was listed stays.
    /// - Parameter contextLength: the longest that one of them has. A longer one that was listed stays until all are gone:
    ///   the worker that has it may be about to come back.
    mutating func serve(_ name: String, numericsIDs: Set<String>, contextLength: Int) {
        guard let listed = byName[name], let one = numericsIDs.first else { return }
        let id = numericsIDs.count == 1 ? one : nil
        guard id != listed.numericsID || contextLength > listed.contextLength else { return }
        put(
            listed, listed.tokenizer, listed.chatTemplate, contextLength: max(contextLength, listed.contextLength),
            numericsID: id)
    }

    /// Lists a model with the chat template of another tokenizer of the same tokens.
    mutating func takeTemplate(of tokenizer: Tokenizer, _ name: String, logger: Logger) {
        guard let listed = byName[name] else { return }
        put(
            listed, tokenizer, Self.template(tokenizer, logger), contextLength: listed.contextLength,
            numericsID: listed.numericsID)
    }

    /// Lists a model anew, with some of it changed.
    private mutating func put(
        _ listed: ServedModel, _ tokenizer: Tokenizer, _ template: ChatTemplate?, contextLength: Int,
        numericsID: String?
    ) {
        put(
            ServedModel(
                name: listed.name, tokenizer: tokenizer, chatTemplate: template,
                contextLength: contextLength, numericsID: numericsID, created: listed.created,
                pooledOutput: listed.pooledOutput))
    }

    private mutating func put(_ model: ServedModel) {
        byName[model.name] = model
        list()
    }

    private mutating func list() {
        all = byName.values.filter { !hidden.contains($0.name) }.sorted { $0.name < $1.name }
    }

    private static func template(_ tokenizer: Tokenizer, _ logger: Logger) -> ChatTemplate? {
        guard let source = tokenizer.spec.chatTemplate else { return nil }
        func spelling(_ token: TokenID?) -> String {
            token.map { String(decoding: tokenizer.bytes(of: $0), as: UTF8.self) } ?? ""
        }
        do {
            return try ChatTemplate(
                source: source, bosToken: spelling(tokenizer.spec.bosToken),
                eosToken: spelling(tokenizer.spec.eosToken))
        } catch {
            logger.warning("chat template refused: chat requests will be too", metadata: ["why": "\(error)"])
            return nil
        }
    }
}
