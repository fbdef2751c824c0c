package import Inference

/// What the driver must do, in this order. `admit`, `cancel` and `preempt` are the only commands on a worker's link,
/// so that the scheduler's count of them is the link's; a command for a link that has broken meanwhile is dropped.
package enum SchedulingAction: Equatable, Sendable {
    /// Sends the choice's prompt and journal under a fresh name.
    case admit(ChoiceID, as: SequenceID, on: WorkerID)
    case cancel(SequenceID, on: WorkerID)
    /// Asks for the sequence back; it goes on elsewhere once the worker has said `preempted`.
    case preempt(SequenceID, on: WorkerID)
    /// The request is over. Commands for what it had running are among the actions.
    case fail(RequestID, ServeError)
    /// A running or half-run choice was taken off a worker and waits again.
    case moved(ChoiceID, MoveCause)
    /// The worker became suspect or slow: see ``ClusterScheduler/workerState(_:)``.
    case suspected(WorkerID)
    /// A suspect worker gave a sign of life, or a slow one gets another chance.
    case recovered(WorkerID)
}

/// Why a choice had to leave a worker.
package enum MoveCause: String, CaseIterable, Sendable {
    case workerLost = "worker_lost"
    case workerStalled = "worker_stalled"
    case workerSlow = "worker_slow"
    case preempted, refused, draining
}

/// What a step report meant.
package struct ReportAnswer: Equatable, Sendable {
    /// For each entry the choice it belongs to; nil for what has moved away or ended: nobody may see its tokens.
    package var choices: [ChoiceID?]
    package var actions: [SchedulingAction]
}
