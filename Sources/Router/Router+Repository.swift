import Inference
import NIOCore
import Scheduling
import Serving

/// Models that come and go while the router runs.
extension Router {
    /// A model of this name is listed once a worker announces it.
    package func admit(_ model: String) { catalogue.show(model) }

    /// Accepts no more requests for a model and finishes what there is.
    /// - Parameters:
    ///   - seconds: after so long, what has not ended fails.
    ///   - done: called once on the event loop when none of its requests is left, never from inside this call.
    package func retire(_ model: String, within seconds: Double, done: @escaping () -> Void) {
        catalogue.hide(model)
        endCopies(of: model)
        let deadline = surroundings.now().advanced(bySeconds: seconds)
        let bound = NIOLoopBound((Weak(self), done), eventLoop: eventLoop)
        eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(10)) { task in
            let (router, done) = bound.value
            guard let router = router.object else { return task.cancel() }
            let open = router.requests.values.filter { $0.model.name == model }.map(\.id)
            if !open.isEmpty {
                guard router.surroundings.now() >= deadline else { return }
                for id in open.sorted() {
                    router.perform(router.scheduler.requestCancelled(id, now: router.surroundings.now()))
                    router.fail(id, .unavailable("The model \"\(model)\" was unloaded."))
                }
                router.tell()
            }
            task.cancel()
            done()
        }
    }

    /// Nothing is left of a model that was retired.
    package func forget(_ model: String) {
        catalogue.remove(model)
        expectedModels.remove(model)
    }
}
