/// A model that workers of this machine can compute.
package struct LocalModel: Sendable {
    package var name: String
    /// Processes, each with a copy of the model.
    package var workerCount: Int
    /// Looks at the model's file and says what each worker is started with. May block for as long as reading the file
    /// takes. What it throws describes itself in a sentence.
    package var prepare: @Sendable () throws -> [String]

    package init(name: String, workerCount: Int, prepare: @escaping @Sendable () throws -> [String]) {
        self.name = name
        self.workerCount = workerCount
        self.prepare = prepare
    }
}

/// The workers of one model, while there are any. Confined to the router's event loop.
final class LocalModelWorkers {
    enum State {
        /// Can become: loading.
        case unloaded(why: String)
        /// Its file is looked at, then its workers start. Can become: loaded; unloading; unloaded while the file is looked at.
        case loading
        /// Can become: unloading.
        case loaded
        /// `why` is what will be said when it is unloaded. Can become: unloaded.
        case unloading(why: String)
    }

    let model: LocalModel
    var state = State.unloaded(why: "not loaded")
    var supervisor: LocalSupervisor?
    var readyWorkerCount = 0
    /// Workers that ended before they were ready, one after the other with none that was.
    var failedStartCount = 0
    /// What the last of them said.
    var lastWords: String?
    /// Told when the model is loaded or is not, and when it is unloaded.
    var whenLoaded: [(String?) -> Void] = []
    var whenUnloaded: [() -> Void] = []
    /// Loads so far: what was begun for an earlier one counts no more.
    var loadNumber = 0

    init(_ model: LocalModel) { self.model = model }

    /// Each worker has failed three times: a start that fails for a passing reason gets another chance.
    var hasFailed: Bool { failedStartCount >= model.workerCount * 3 }

    func count(_ event: LocalSupervisor.Event) {
        switch event {
        case .workerStarted:
            readyWorkerCount += 1
            failedStartCount = 0
        case .workerFailed(_, let sentence): lastWords = sentence
        case .workerExited(_, let status, let wasReady, _):
            if wasReady { readyWorkerCount -= 1 } else { failedStartCount += 1 }
            if lastWords == nil, !wasReady { lastWords = "A worker \(status) before it was ready." }
        case .workerNotStarted(_, let error, _):
            failedStartCount += 1
            lastWords = "The system started no process (errno \(error.errorCode))."
        case .workerHung, .stopped: break
        }
    }

    func answerLoads(_ problem: String?) {
        let waiting = whenLoaded
        whenLoaded = []
        for answer in waiting { answer(problem) }
    }

    func answerUnloads() {
        let waiting = whenUnloaded
        whenUnloaded = []
        for answer in waiting { answer() }
    }
}
