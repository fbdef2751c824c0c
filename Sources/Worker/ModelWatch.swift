import NIOCore
import NIOPosix
import Synchronization

/// Looks once a second whether a model's file still holds what was loaded of it; on a thread of its own, since a file
/// system may take its time.
final class ModelWatch: Sendable {
    private let eventLoop: any EventLoop
    private let isIntact: @Sendable () -> Bool
    private let damaged: @Sendable () -> Void
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let hasStopped = Atomic<Bool>(false)

    /// - Parameter damaged: called once at most, on the event loop.
    init(
        on eventLoop: any EventLoop, isIntact: @escaping @Sendable () -> Bool,
        damaged: @escaping @Sendable () -> Void
    ) {
        (self.eventLoop, self.isIntact, self.damaged) = (eventLoop, isIntact, damaged)
        pool.start()
        lookLater()
    }

    func stop() {
        guard !hasStopped.exchange(true, ordering: .acquiringAndReleasing) else { return }
        pool.shutdownGracefully { _ in }
    }

    private func lookLater() {
        eventLoop.scheduleTask(in: .seconds(1)) { [weak self] in self?.look() }
    }

    private func look() {
        guard !hasStopped.load(ordering: .acquiring) else { return }
        let isIntact = isIntact
        pool.runIfActive(eventLoop: eventLoop) { isIntact() }.whenSuccess { [weak self] isIntact in
            guard let self, !hasStopped.load(ordering: .acquiring) else { return }
            if isIntact { lookLater() } else { damaged() }
        }
    }
}
