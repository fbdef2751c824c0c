import CKernels
import Glibc
import Synchronization

/// Threads that do one step's work together: the caller and its helpers.
///
/// Helpers spin a little when work ends, since the next piece usually comes within microseconds, then sleep. Spinning is
/// bounded everywhere, so a machine with more runnable threads than cores slows down in proportion and never collapses.
package final class ThreadTeam {
    /// One thread's place in the team, for the time of one `run`.
    package struct Member {
        package let index: Int
        package let count: Int
        fileprivate let shared: Shared

        /// Waits until every member has come here.
        package func barrier() {
            if count > 1 { shared.barrier(count) }
        }

        /// This member's part of 0..<count: equal parts, in order.
        package func share(_ count: Int) -> Range<Int> {
            let start = count * index / self.count
            return start..<(count * (index + 1) / self.count)
        }
    }

    package let threadCount: Int
    private let shared: Shared
    private var threads: [pthread_t] = []

    /// - Parameter threads: how many work, the caller of `run` among them. At least 1.
    package init(threads count: Int) {
        threadCount = max(1, count)
        shared = Shared()
        for index in 1..<max(threadCount, 1) where threadCount > 1 {
            start(index)
        }
    }

    deinit {
        shared.stop()
        for thread in threads { pthread_join(thread, nil) }
    }

    private func start(_ index: Int) {
        let helper = Helper(shared: shared, index: index, count: threadCount)
        var thread = pthread_t()
        let context = Unmanaged.passRetained(helper).toOpaque()
        let result = pthread_create(&thread, nil, { context in
            guard let context else { return nil }
            Unmanaged<Helper>.fromOpaque(context).takeRetainedValue().work()
            return nil
        }, context)
        precondition(result == 0, "the system refuses a thread: error \(result)")
        threads.append(thread)
    }

    /// Runs `body` on every thread of the team, on the caller as member 0, and returns when all are done.
    package func run(_ body: (Member) -> Void) {
        let caller = Member(index: 0, count: threadCount, shared: shared)
        guard threadCount > 1 else { return body(caller) }
        withoutActuallyEscaping(body) { escaping in
            shared.begin(escaping)
            escaping(caller)
            // The last barrier: nobody uses `body` after it.
            shared.barrier(threadCount)
            shared.end()
        }
    }

    /// What a helper thread keeps.
    private final class Helper {
        let shared: Shared
        let index: Int
        let count: Int

        init(shared: Shared, index: Int, count: Int) {
            self.shared = shared
            self.index = index
            self.count = count
        }

        func work() {
            "apus-kernel-\(index)".withCString { apus_name_thread($0) }
            var seen: UInt32 = 0
            while let body = shared.waitForWork(after: &seen) {
                body(Member(index: index, count: count, shared: shared))
                shared.barrier(count)
            }
        }
    }

    /// The words that threads meet at.
    // SENDABLE: `body` is written only while every helper waits for `generation`, which orders it.
    fileprivate final class Shared: @unchecked Sendable {
        private let generation = FutexWord()
        private let arrived = Atomic<Int>(0)
        private let sense = FutexWord()
        private let isStopped = Atomic<Bool>(false)
        private var body: ((Member) -> Void)?

        func begin(_ body: @escaping (Member) -> Void) {
            self.body = body
            generation.advance()
        }

        func end() { body = nil }

        func stop() {
            isStopped.store(true, ordering: .releasing)
            generation.advance()
        }

        func waitForWork(after seen: inout UInt32) -> ((Member) -> Void)? {
            seen = generation.wait(while: seen, spins: 4000)
            return isStopped.load(ordering: .acquiring) ? nil : body
        }

        func barrier(_ count: Int) {
            let phase = sense.value
            if arrived.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == count {
                arrived.store(0, ordering: .relaxed)
                sense.advance()
            } else {
                _ = sense.wait(while: phase, spins: 2000)
            }
        }
    }
}

/// A counter that threads wait on: first spinning, then asleep in the kernel.
// SAFETY: the word lives as long as the object, on the heap, so that the kernel may look at its address.
private final class FutexWord: Sendable {
    // SENDABLE: the pointer never changes; what it points to is only touched by atomic operations.
    nonisolated(unsafe) private let word: UnsafeMutablePointer<Atomic<UInt32>>
    private let sleepers = Atomic<Int>(0)

    init() {
        word = .allocate(capacity: 1)
        word.initialize(to: Atomic(0))
    }

    deinit {
        word.deinitialize(count: 1)
        word.deallocate()
    }

    var value: UInt32 { word.pointee.load(ordering: .acquiring) }

    func advance() {
        word.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wake() }
    }

    /// - Returns: the first value seen that is not `old`.
    func wait(while old: UInt32, spins: Int) -> UInt32 {
        for _ in 0..<spins {
            let now = value
            if now != old { return now }
            apus_relax()
        }
        sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
        defer { sleepers.wrappingSubtract(1, ordering: .relaxed) }
        while true {
            let now = word.pointee.load(ordering: .sequentiallyConsistent)
            if now != old { return now }
            word.withMemoryRebound(to: UInt32.self, capacity: 1) { apus_futex_wait($0, old, -1) }
        }
    }

    private func wake() {
        word.withMemoryRebound(to: UInt32.self, capacity: 1) { apus_futex_wake($0, .max) }
    }
}
