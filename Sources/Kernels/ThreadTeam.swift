import CKernels
import Glibc
import Synchronization

/// Work that is made once and done many times: a team allocates nothing for it.
package protocol TeamWork: AnyObject {
    /// Does the member's part, while the other members do theirs.
    func work(as member: ThreadTeam.Member)
}

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
            if count > 1 { shared.barrier() }
        }

        /// This member's part of 0..<count: equal parts, in order.
        package func share(_ count: Int) -> Range<Int> { ThreadTeam.share(of: index, among: self.count, count) }
    }

    /// The part of 0..<count that the member `index` of so many has.
    package static func share(of index: Int, among members: Int, _ count: Int) -> Range<Int> {
        count * index / members..<count * (index + 1) / members
    }

    package let threadCount: Int
    private let shared: Shared
    private let threads: [pthread_t]

    /// - Parameter threads: how many shall work, the caller of `run` among them. Where the system refuses to start that
    ///   many, the team is smaller: see ``threadCount``.
    package init(threads count: Int) {
        shared = Shared()
        var threads: [pthread_t] = []
        while threads.count + 1 < count, let thread = Self.start(threads.count + 1, shared) { threads.append(thread) }
        self.threads = threads
        threadCount = threads.count + 1
        // Helpers look only when work has begun.
        shared.memberCount = threadCount
    }

    deinit {
        shared.stop()
        for thread in threads { pthread_join(thread, nil) }
    }

    /// - Returns: nil when the system has no more threads.
    private static func start(_ index: Int, _ shared: Shared) -> pthread_t? {
        let helper = Unmanaged.passRetained(Helper(shared: shared, index: index))
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Helper>.fromOpaque(context).takeRetainedValue().work()
                return nil
            }, helper.toOpaque())
        if result == 0 { return thread }
        helper.release()
        return nil
    }

    /// Does `work` on every thread of the team, on the caller as member 0, and returns when all are done.
    package func run(_ work: any TeamWork) {
        let caller = Member(index: 0, count: threadCount, shared: shared)
        guard threadCount > 1 else { return work.work(as: caller) }
        shared.begin(work)
        work.work(as: caller)
        // The last barrier: nobody uses `work` after it.
        shared.barrier()
        shared.end()
    }

    /// The same with work that is done once.
    package func run(_ body: (Member) -> Void) {
        guard threadCount > 1 else { return body(Member(index: 0, count: 1, shared: shared)) }
        withoutActuallyEscaping(body) { run(ClosureWork($0)) }
    }

    private final class ClosureWork: TeamWork {
        private let body: (Member) -> Void

        init(_ body: @escaping (Member) -> Void) { self.body = body }

        func work(as member: Member) { body(member) }
    }

    /// What a helper thread keeps.
    private final class Helper {
        let shared: Shared
        let index: Int

        init(shared: Shared, index: Int) {
            self.shared = shared
            self.index = index
        }

        func work() {
            apus_name_thread("apus-kernel-\(index)")
            var seen: UInt32 = 0
            while workOnce(after: &seen) { shared.barrier() }
        }

        /// A function of its own, never inlined, so that the last reference to the work is gone before the barrier behind
        /// which `run` returns: a closure must not outlive that.
        @inline(never)
        private func workOnce(after seen: inout UInt32) -> Bool {
            guard let work = shared.waitForWork(after: &seen) else { return false }
            work.work(as: Member(index: index, count: shared.memberCount, shared: shared))
            return true
        }
    }

    /// The words that threads meet at.
    // SENDABLE: `work` and `memberCount` are written only while every helper waits for `generation`, which orders them.
    fileprivate final class Shared: @unchecked Sendable {
        private let generation = FutexWord()
        private let arrived = Atomic<Int>(0)
        private let sense = FutexWord()
        private let isStopped = Atomic<Bool>(false)
        private var work: (any TeamWork)?
        /// Set once, before the first work.
        var memberCount = 1

        func begin(_ work: any TeamWork) {
            self.work = work
            generation.advance()
        }

        func end() { work = nil }

        func stop() {
            isStopped.store(true, ordering: .releasing)
            generation.advance()
        }

        func waitForWork(after seen: inout UInt32) -> (any TeamWork)? {
            seen = generation.wait(while: seen, spins: 4000)
            return isStopped.load(ordering: .acquiring) ? nil : work
        }

        func barrier() {
            let phase = sense.value
            if arrived.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == memberCount {
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
