import HTTP
import Inference
import NIOCore
import Serving
import Telemetry

/// A name that stands for models: for one, or for several by weight.
package struct ModelAlias: Equatable, Sendable {
    package struct Target: Equatable, Sendable {
        package var model: String
        /// Its share of the requests is this by the sum over the targets that are served. 1 at least.
        package var weight: Int

        package init(model: String, weight: Int) {
            self.model = model
            self.weight = weight
        }
    }

    package var name: String
    package var targets: [Target]

    package init(name: String, targets: [Target]) {
        self.name = name
        self.targets = targets
    }
}

/// The operator's aliases, with a counter for each target.
struct AliasTable: Sendable {
    fileprivate struct Target: Sendable {
        var model: String
        var weight: UInt64
        var choices: Counter
    }

    fileprivate let targets: [String: [Target]]
    /// Sorted.
    let names: [String]

    init(_ aliases: [ModelAlias], _ metrics: MetricRegistry) {
        var targets: [String: [Target]] = [:]
        for alias in aliases {
            targets[alias.name, default: []] += alias.targets.map {
                Target(
                    model: $0.model, weight: UInt64(max(1, $0.weight)),
                    choices: metrics.counter(.aliasChoices, labels: [alias.name, $0.model]))
            }
        }
        self.targets = targets
        names = targets.keys.sorted()
    }
}

/// The models that are served now, and the names that stand for some of them. An alias comes before a model of the same
/// name, and stands for models only, never for another alias.
struct ModelDirectory: Sendable {
    /// Sorted by name.
    let models: [ServedModel]
    private let aliases: AliasTable
    /// Models that are being loaded or wait for their workers; nil where it is not known which models may come.
    private let coming: Set<String>?

    init(models: [ServedModel], aliases: AliasTable, coming: Set<String>? = nil) {
        self.models = models
        self.aliases = aliases
        self.coming = coming
    }

    /// A name to be listed that stands for others.
    struct Alias {
        var name: String
        /// Those that are served, the weightiest first. Never empty.
        var targets: [(model: ServedModel, weight: Int)]
        /// What the name is described by.
        var root: ServedModel
    }

    /// The model that answers a request.
    ///
    /// Which target of an alias it is depends on the body alone, as long as the same are served: a request that is sent
    /// again, as to go on with a stream, gets the same model at every router.
    func model(_ name: String, for body: ByteBuffer) throws(ServeError) -> ServedModel {
        guard let served = try targets(of: name) else { return try listed(name) }
        let sum = served.reduce(0) { $0 + $1.target.weight }
        var draw = served.count == 1 ? 0 : SHA256Digest.word(of: Array(body.readableBytesView)) % sum
        for (target, model) in served {
            if draw < target.weight {
                target.choices.add()
                return model
            }
            draw -= target.weight
        }
        throw .internalFailure("The weights of \"\(name)\" do not add up.")
    }

    /// The model that a name is described by: of an alias, the weightiest target.
    func model(_ name: String) throws(ServeError) -> ServedModel {
        if let alias = try alias(name) { return alias.root }
        return try listed(name)
    }

    /// Aliases that can be used now, sorted by name.
    var listedAliases: [Alias] { aliases.names.compactMap { try? alias($0) } }

    /// Models that are listed under their own name.
    var plainModels: [ServedModel] { models.filter { aliases.targets[$0.name] == nil } }

    /// All names that can be asked for.
    var names: [String] { plainModels.map(\.name) + listedAliases.map(\.name) }

    /// - Returns: nil where the name is no alias.
    func alias(_ name: String) throws(ServeError) -> Alias? {
        let served = try targets(of: name)?.sorted { $0.target.weight > $1.target.weight }
        guard let served, let first = served.first else { return nil }
        return Alias(
            name: name, targets: served.map { ($0.model, Int(clamping: $0.target.weight)) }, root: first.model)
    }

    /// Targets of an alias that are served, in the operator's order; nil where the name is no alias.
    private func targets(of name: String) throws(ServeError) -> [(target: AliasTable.Target, model: ServedModel)]? {
        guard !aliases.targets.isEmpty, let targets = aliases.targets[name] else { return nil }
        let served = targets.compactMap { target in
            models.first { $0.name == target.model }.map { (target, $0) }
        }
        guard !served.isEmpty else {
            throw .unavailable("No model that \"\(name)\" stands for is served now.")
        }
        return served
    }

    private func listed(_ name: String) throws(ServeError) -> ServedModel {
        guard let model = models.first(where: { $0.name == name }) else {
            if coming?.contains(name) == true { throw .unavailable("The model \"\(name)\" is being loaded.") }
            guard coming == nil, models.isEmpty else { throw .modelNotFound(name) }
            throw .unavailable("No worker has announced a model yet.")
        }
        return model
    }
}
