import Glibc
import Synchronization

/// Divides the stages of one step among threads: each takes the next piece when it has done its last, and a stage is over
/// when its pieces are done, whoever did them.
///
/// Nobody ever waits for a thread, only for work that a thread has taken. So a helper that the system does not let run,
/// because others want the cores too, costs its help and nothing more; with a barrier, every stage would wait for it.
/// Pieces are independent of who does them, and results with them.
// SAFETY: the counters live as long as the board, on the heap; they are touched by atomic operations alone.
final class StageBoard {
    /// Words from one counter to the next: 64 bytes, so that threads that take and threads that finish do not meet on a
    /// cache line.
    private static let stride = 8
    /// Looks at the counter before a waiting thread gives up its core: some tens of microseconds, longer than most
    /// pieces take.
    private static let spinMax = 20_000

    private let counters: UnsafeMutablePointer<Atomic<Int>>
    private let stageMax: Int

    init(stageMax: Int) {
        self.stageMax = stageMax
        counters = .allocate(capacity: stageMax * 2 * Self.stride)
        for index in 0..<stageMax * 2 * Self.stride { (counters + index).initialize(to: Atomic(0)) }
    }

    deinit {
        counters.deinitialize(count: stageMax * 2 * Self.stride)
        counters.deallocate()
    }

    /// Forgets the last step. Only while no helper works.
    func reset() {
        for stage in 0..<stageMax * 2 { counters[stage * Self.stride].store(0, ordering: .relaxed) }
    }

    /// How one thread sees the board: the stage it is in.
    struct Place {
        // SAFETY: used within a step, which the board outlives.
        fileprivate let counters: UnsafeMutablePointer<Atomic<Int>>
        fileprivate let threadCount: Int
        fileprivate var stage = 0

        private var taken: UnsafeMutablePointer<Atomic<Int>> { counters + stage * 2 * StageBoard.stride }
        private var done: UnsafeMutablePointer<Atomic<Int>> { taken + StageBoard.stride }

        /// Whether all pieces of the stage to come are taken: what they would need prepared can be left out.
        func isTaken(_ count: Int) -> Bool { threadCount > 1 && taken.pointee.load(ordering: .relaxed) >= count }

        /// Does pieces of 0..<count together with the other threads; returns when all are done and may be read.
        /// - Parameter pieces: for each thread, how many the stage is cut into.
        mutating func divide(_ count: Int, pieces: Int = 2, _ body: (Range<Int>) -> Void) {
            guard threadCount > 1 else {
                if count > 0 { body(0..<count) }
                return
            }
            let size = max(1, count / (threadCount * pieces))
            while true {
                let start = taken.pointee.wrappingAdd(size, ordering: .acquiringAndReleasing).oldValue
                guard start < count else { break }
                let end = min(count, start + size)
                body(start..<end)
                done.pointee.wrappingAdd(end - start, ordering: .acquiringAndReleasing)
            }
            wait(for: count)
            stage += 1
        }

        private func wait(for count: Int) {
            var spins = 0
            while done.pointee.load(ordering: .acquiring) < count {
                spins += 1
                // Asleep, this thread leaves its core to the one it waits for.
                if spins >= StageBoard.spinMax { usleep(20) }
            }
        }
    }

    func place(threadCount: Int) -> Place { Place(counters: counters, threadCount: threadCount) }
}
