import Serving

/// One row of Triton's repository index.
struct RepositoryIndexRow: Equatable {
    /// In Triton's words.
    enum State: String {
        case ready = "READY"
        case loading = "LOADING"
        case unloading = "UNLOADING"
        case unavailable = "UNAVAILABLE"
    }

    var name: String
    var state: State
    /// Why it is not ready; "" when it is.
    var reason: String
}

extension APICore {
    /// All names that requests may ask for, or could if a model were loaded: models, and aliases with the state of what
    /// stands behind them.
    /// - Parameter onlyReady: leaves out what no worker can answer now.
    func repositoryIndex(onlyReady: Bool) -> [RepositoryIndexRow] {
        let directory = directory
        let inRepository = repository?.models ?? []
        let models = directory.plainModels.filter { model in !inRepository.contains { $0.name == model.name } }
            .map { row($0.name, isReady: service.isReady($0.name)) }
        let aliases = directory.listedAliases.map { alias in
            row(alias.name, isReady: alias.targets.contains { service.isReady($0.model.name) })
        }
        return (inRepository.map { row($0) } + models + aliases).filter { !onlyReady || $0.state == .ready }
    }

    private func row(_ model: RepositoryModel) -> RepositoryIndexRow {
        switch model.state {
        case .unloaded(let why): RepositoryIndexRow(name: model.name, state: .unavailable, reason: why)
        case .loading: RepositoryIndexRow(name: model.name, state: .loading, reason: "")
        case .unloading: RepositoryIndexRow(name: model.name, state: .unloading, reason: "")
        case .loaded: row(model.name, isReady: service.isReady(model.name))
        }
    }

    private func row(_ name: String, isReady: Bool) -> RepositoryIndexRow {
        RepositoryIndexRow(
            name: name, state: isReady ? .ready : .unavailable,
            reason: isReady ? "" : "no worker of this model takes work now")
    }
}
