import Inference

/// Copies of requests that another model answers. They take what is left over: they come in where a worker has room for
/// them at once, and end as soon as anything of their model has to wait, be it another request or they themselves. No
/// tenant is charged for them.
extension ClusterScheduler {
    /// - Returns: why a copy may not come in; nil when it may.
    func copyRefusal(_ model: ModelID) -> ServeError? {
        guard let queue = models[model], queue.waitingCount == 0, queue.availableCount > 0 else {
            return .unavailable("No worker has room for a copy of a request.")
        }
        return nil
    }

    /// Ends copies of a model, the latest first, as long as something of it waits: mostly all, since workers tell of the room
    /// in their next reports only.
    mutating func giveWay(_ model: ModelID, now: Instant, into actions: inout [SchedulingAction]) {
        while let last = models.with(model, { $0.copies.max() }) ?? nil, models[model]?.waitingCount != 0 {
            fail(last, .unavailable("The copy made room for a request that waited."), now: now, into: &actions)
            admitWaiting(model, now: now, into: &actions)
        }
    }
}
