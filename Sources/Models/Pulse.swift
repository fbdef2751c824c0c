import Synchronization

/// Counts pieces of work as they are done, so that a long step can be told from one that hangs. Beaten by the engine's
/// thread, read by any.
package final class Pulse: Sendable {
    private let count = Atomic<UInt64>(0)

    package init() {}

    package var beatCount: UInt64 { count.load(ordering: .relaxed) }

    /// A piece of work is done. One thread writes, so that this costs no more than a store.
    package func beat() { count.store(count.load(ordering: .relaxed) &+ 1, ordering: .relaxed) }
}
