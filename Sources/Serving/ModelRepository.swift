/// Models that can be loaded and unloaded while the server runs. Confined to the service's event loop.
///
/// Only what the operator has listed can be loaded: no request names a file.
package protocol ModelRepository: AnyObject {
    /// All that the operator has listed, sorted by name.
    var models: [RepositoryModel] { get }
    /// Makes a model answer requests. Done when a worker is ready; at once where it is already.
    /// - Parameter done: called once on the event loop, perhaps from inside this call, with what went wrong if anything.
    func load(_ name: String, done: @escaping (RepositoryError?) -> Void)
    /// Takes a model's name off the list, lets its requests end and gives its memory back. Other models feel nothing.
    /// - Parameter done: as above; done when its processes have ended.
    func unload(_ name: String, done: @escaping (RepositoryError?) -> Void)
}

/// A model that can be loaded, and how far that is.
package struct RepositoryModel: Equatable, Sendable {
    package enum State: Equatable, Sendable {
        /// Why: nobody asked for it, or what went wrong.
        case unloaded(why: String)
        case loading
        /// Its workers are started, and started again when they end.
        case loaded
        case unloading
    }

    package var name: String
    package var state: State

    package init(name: String, state: State) {
        self.name = name
        self.state = state
    }
}

/// Why a model was not loaded or unloaded.
package enum RepositoryError: Error, Equatable, Sendable {
    /// The operator has listed no such model.
    case unknownModel(String)
    /// It is being unloaded; try again when it is.
    case unloading(String)
    /// In the words of the worker, or of what looked at the file before it.
    case failed(model: String, why: String)
}
