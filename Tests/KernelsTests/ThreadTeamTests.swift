import Foundation
import Kernels
import Synchronization
import Testing

@Suite struct ThreadTeamTests {
    @Test(arguments: [1, 2, 3, 8]) func `every member works once in each run, and run returns after all`(count: Int) {
        let team = ThreadTeam(threads: count)
        #expect(team.threadCount == count)
        for _ in 0..<500 {
            let seen = Atomic<Int>(0)

            team.run { member in seen.wrappingAdd(1 << (8 * (member.index % 8)), ordering: .relaxed) }

            let expected = (0..<count).reduce(0) { $0 + 1 << (8 * $1) }
            #expect(seen.load(ordering: .relaxed) == expected)
        }
    }

    @Test func `a barrier lets nobody pass before all have come`() {
        let team = ThreadTeam(threads: 4)
        let arrived = Atomic<Int>(0)
        let early = Atomic<Int>(0)

        team.run { member in
            for phase in 1...2_000 {
                arrived.wrappingAdd(1, ordering: .relaxed)
                member.barrier()
                if arrived.load(ordering: .relaxed) < 4 * phase { early.wrappingAdd(1, ordering: .relaxed) }
                member.barrier()
            }
        }

        #expect(early.load(ordering: .relaxed) == 0)
        #expect(arrived.load(ordering: .relaxed) == 8_000)
    }

    @Test func `shares cover a range in order, whatever its length`() {
        let team = ThreadTeam(threads: 3)
        for count in [0, 1, 2, 3, 7, 100] {
            let shares = Mutex([Int: Range<Int>]())

            team.run { member in shares.withLock { $0[member.index] = member.share(count) } }

            let joined = shares.withLock { shares in (0..<3).flatMap { Array(shares[$0] ?? 0..<0) } }
            #expect(joined == Array(0..<count))
        }
    }

    @Test func `teams that outnumber the cores make progress together`() async {
        // Each team alone wants every core; all wait for one another's threads to be scheduled.
        let teams = 4 * ProcessInfo.processInfo.activeProcessorCount
        let total = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<teams {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        Thread.detachNewThread {
                            let team = ThreadTeam(threads: ProcessInfo.processInfo.activeProcessorCount + 1)
                            let steps = Atomic<Int>(0)
                            for _ in 0..<20 {
                                team.run { member in
                                    for _ in 0..<20 { member.barrier() }
                                    if member.index == 0 { steps.wrappingAdd(1, ordering: .relaxed) }
                                }
                            }
                            continuation.resume(returning: steps.load(ordering: .relaxed))
                        }
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(total == 20 * teams)
    }

    @Test func `a closure's captures are free when run returns`() {
        final class Capture: Sendable {}
        let team = ThreadTeam(threads: 3)
        for _ in 0..<200 {
            weak var left: Capture?
            do {
                let capture = Capture()
                left = capture
                team.run { _ in withExtendedLifetime(capture) {} }
            }
            #expect(left == nil)
        }
    }

    @Test func `a team that never worked goes away`() {
        weak var left: ThreadTeam?
        do {
            let team = ThreadTeam(threads: 3)
            left = team
        }
        #expect(left == nil)
    }
}
