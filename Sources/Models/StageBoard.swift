import Glibc
import Kernels
import Synchronization

/// Divides the stages of one step among threads: each has a part of its own, which it does piece by piece, and then helps
/// with what is left of the others'. A stage is over when its pieces are done, whoever did them.
///
/// Nobody ever waits for a thread, only for work that a thread has taken. So a helper that the system does not let run,
/// because others want the cores too, costs its help and nothing more; with a barrier, every stage would wait for it.
/// Who takes pieces takes a third of what is left of a part: few turns, and the last piece, for which others may have to
/// wait, is a small one.
/// A part is contiguous: what a thread reads is a stream, and what it prefetches it uses.
/// Pieces are independent of who does them, and results with them.
// SAFETY: the counters live as long as the board, on the heap; they are touched by atomic operations alone.
final class StageBoard {
    /// Words from one counter to the next: 64 bytes, so that threads do not meet on a cache line.
    private static let stride = 8
    /// How long a thread looks at the counter before it gives up its core. A sleep takes as long at least, where the core
    /// of a virtual machine sleeps with it, and pieces end sooner unless their thread has lost its core.
    private static let spinMax = Duration.microseconds(200)
    private static let spinsPerClock = 500

    private let counters: UnsafeMutablePointer<Atomic<Int>>
    private let wordCount: Int
    private let threadCount: Int
    /// Beats as the caller's thread gets on: with each piece that it has done, or stage where it is alone.
    let pulse = Pulse()

    init(stageMax: Int, threadCount: Int) {
        self.threadCount = threadCount
        wordCount = stageMax * (threadCount + 1) * Self.stride
        counters = .allocate(capacity: wordCount)
        for index in 0..<wordCount { (counters + index).initialize(to: Atomic(0)) }
    }

    deinit {
        counters.deinitialize(count: wordCount)
        counters.deallocate()
    }

    /// Forgets the last step. Only while no helper works.
    func reset() {
        for word in Swift.stride(from: 0, to: wordCount, by: Self.stride) {
            counters[word].store(0, ordering: .relaxed)
        }
    }

    /// How one thread sees the board: the stage it is in.
    struct Place {
        // SAFETY: used within a step, which the board outlives.
        fileprivate let counters: UnsafeMutablePointer<Atomic<Int>>
        fileprivate let threadCount: Int
        fileprivate let index: Int
        /// Of the caller's thread only.
        fileprivate let pulse: Pulse?
        fileprivate var stage = 0

        private var done: UnsafeMutablePointer<Atomic<Int>> {
            counters + stage * (threadCount + 1) * StageBoard.stride
        }

        /// How far a thread's part is taken.
        private func taken(_ owner: Int) -> UnsafeMutablePointer<Atomic<Int>> {
            done + (owner + 1) * StageBoard.stride
        }

        private func part(_ owner: Int, of count: Int) -> Range<Int> {
            ThreadTeam.share(of: owner, among: threadCount, count)
        }

        /// Whether all pieces of the stage to come are taken: what they would need prepared can be left out.
        func isTaken(_ count: Int) -> Bool {
            threadCount > 1
                && (0..<threadCount).allSatisfy {
                    taken($0).pointee.load(ordering: .relaxed) >= part($0, of: count).count
                }
        }

        /// Does pieces of 0..<count together with the other threads; returns when all are done and may be read.
        mutating func divide(_ count: Int, _ body: (Range<Int>) -> Void) {
            guard threadCount > 1 else {
                if count > 0 { body(0..<count) }
                pulse?.beat()
                return
            }
            for offset in 0..<threadCount {
                let owner = (index + offset) % threadCount
                let part = part(owner, of: count)
                var finished = 0
                while let piece = take(of: part, of: owner) {
                    body(piece)
                    finished += piece.count
                    pulse?.beat()
                }
                // Once, since all threads write this counter. Until now a thread had a piece in hand.
                if finished > 0 { done.pointee.wrappingAdd(finished, ordering: .releasing) }
            }
            wait(for: count)
            pulse?.beat()
            stage += 1
        }

        /// The next pieces of a thread's part.
        private func take(of part: Range<Int>, of owner: Int) -> Range<Int>? {
            let counter = taken(owner)
            var start = counter.pointee.load(ordering: .relaxed)
            while start < part.count {
                let size = max(1, (part.count - start) / 3)
                let exchange = counter.pointee.weakCompareExchange(
                    expected: start, desired: start + size, ordering: .relaxed)
                if exchange.exchanged { return part.dropFirst(start).prefix(size) }
                start = exchange.original
            }
            return nil
        }

        private func wait(for count: Int) {
            var deadline: ContinuousClock.Instant?
            while true {
                for _ in 0..<StageBoard.spinsPerClock {
                    if done.pointee.load(ordering: .acquiring) >= count { return }
                }
                let now = ContinuousClock.now
                if let deadline {
                    // Asleep, this thread leaves its core to the one it waits for.
                    if now > deadline { usleep(20) }
                } else {
                    deadline = now + StageBoard.spinMax
                }
            }
        }
    }

    /// Where the member `index` of the team begins.
    func place(_ index: Int) -> Place {
        Place(counters: counters, threadCount: threadCount, index: index, pulse: index == 0 ? pulse : nil)
    }
}
