/// Where a worker is in its life, as a router sees it.
package enum WorkerState: String, CaseIterable, Sendable {
    /// Dialled, has not said what it is. Can become: ready, gone.
    case connecting
    /// Takes sequences. Can become: suspect, slow, draining, gone.
    case ready
    /// Has sequences and reports no step. Gets nothing new, and loses what it has when it stays so.
    /// Can become: ready (any sign of life), draining, gone.
    case suspect
    /// Takes far longer for its steps than others of its model. Gets nothing new, is asked for its sequences as others have
    /// room for them, and is tried again later. Can become: ready, suspect, draining, gone.
    case slow
    /// Gets nothing new, is asked for its sequences as others have room for them. Can become: gone.
    case draining
    /// Its link is broken. Final: a worker that comes back is another one.
    case gone
}
