import Inference
import Logging
import Scheduling
import Serving
import Telemetry

/// What the scheduler decided, done.
extension Router {
    func perform(_ actions: [SchedulingAction]) {
        for action in actions {
            switch action {
            case .admit(let choice, let sequence, let worker): admit(choice, as: sequence, on: worker)
            case .cancel(let sequence, let worker): peersByID[worker]?.link.send(.cancel(sequence))
            case .preempt(let sequence, let worker): peersByID[worker]?.link.send(.preempt(sequence))
            case .fail(let id, let error): fail(id, error)
            case .moved(let choice, let cause): moved(choice, cause)
            case .suspected(let worker):
                let isSlow = scheduler.workerState(worker) == .slow
                logWorker(isSlow ? "worker slow: it gets nothing new" : "worker silent: it gets nothing new", worker)
            case .recovered(let worker): logWorker("worker takes sequences again", worker)
            }
        }
    }

    private func admit(_ id: ChoiceID, as sequence: SequenceID, on worker: WorkerID) {
        guard let request = requests[id.request], request.choices.indices.contains(id.index) else {
            preconditionFailure("\(id) was admitted as \(sequence) after it had ended")
        }
        var admission = request.choices[id.index].admission(
            as: sequence, priority: request.request.priority, salt: request.request.salt)
        let peer = peersByID[worker]
        if let spans = request.spans, let peer {
            admission.trace = spans.admitted(
                id.index, admission, at: peer.address, numericsID: peer.numericsID, now: surroundings.now())
        }
        peer?.link.send(.admit(admission))
        peer?.series?.admitted()
        if let numericsID = peer?.numericsID {
            tell(request, .admitted(choice: id.index, numericsID: numericsID))
        }
        guard request.admittedAt == nil else { return }
        let now = surroundings.now()
        request.admittedAt = now
        let (waited, promptTokens) = (now.seconds(since: request.submittedAt), request.usage.promptTokens)
        request.series.queueTime.observe(waited, trace: request.spans?.traceID)
        request.series.promptTokens.add(promptTokens)
        request.tenant?.admitted(promptTokens: promptTokens, afterSeconds: waited)
    }

    private func moved(_ id: ChoiceID, _ cause: MoveCause) {
        guard let request = requests[id.request] else { return }
        request.moveCount += 1
        request.spans?.moved(id.index, cause, now: surroundings.now())
        metrics.moved(cause, model: request.model.name)
    }

    /// The scheduler has let go of it already.
    func fail(_ id: RequestID, _ error: ServeError) {
        guard let request = requests.removeValue(forKey: id) else { return }
        if request.request.isCopy {
            request.series.aborted.add(request.choices.count { $0.finish == nil })
        } else {
            metrics.failed(error)
            request.series.ended(met: false, at: surroundings.now())
        }
        log.ended(request, outcome: FailureKind(error).rawValue, at: surroundings.now())
        request.spans?.ended(request, outcome: FailureKind(error).rawValue, failed: true, now: surroundings.now())
        tell(request, .failed(error))
    }

    /// Nothing waits for copies of requests.
    /// - Parameter model: nil for all models.
    func endCopies(of model: String? = nil) {
        let copies = requests.values.filter { $0.request.isCopy && (model == nil || $0.model.name == model) }
        for id in copies.map(\.id).sorted() {
            perform(scheduler.requestCancelled(id, now: surroundings.now()))
            fail(id, .unavailable("The copy was given up."))
        }
        if !copies.isEmpty { tellSoon() }
    }

    private func logWorker(_ event: String, _ worker: WorkerID) {
        logger.warning(
            "\(event)", metadata: ["worker": "\(worker)", "address": "\(peersByID[worker]?.link.address ?? "-")"])
    }
}
