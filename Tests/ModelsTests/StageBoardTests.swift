import Kernels
import Synchronization
import Testing

@testable import Models

@Suite struct StageBoardTests {
    @Test(arguments: [1, 2, 5]) func `every piece is done once, and before the next stage begins`(threads: Int) {
        let team = ThreadTeam(threads: threads)
        let counts = [1000, 1, 0, 7, 64, 3, 500]
        let board = StageBoard(stageMax: counts.count, threadCount: team.threadCount)
        let done = (0..<counts.count).map { _ in Counter() }
        let early = Counter()

        for _ in 0..<50 {
            board.reset()
            for counter in done { counter.value.store(0, ordering: .relaxed) }
            let starts = (0..<team.threadCount).map { board.place($0) }
            team.run { member in
                var place = starts[member.index]
                for (stage, count) in counts.enumerated() {
                    place.divide(count) { part in
                        if stage > 0, done[stage - 1].value.load(ordering: .acquiring) != counts[stage - 1] {
                            early.value.add(1, ordering: .relaxed)
                        }
                        done[stage].value.add(part.count, ordering: .releasing)
                    }
                }
            }
            for (counter, count) in zip(done, counts) { #expect(counter.value.load(ordering: .acquiring) == count) }
        }
        #expect(early.value.load(ordering: .acquiring) == 0)
    }

    @Test func `one thread does a step that its helper sleeps through`() {
        let board = StageBoard(stageMax: 3, threadCount: 2)
        var place = board.place(0)
        var order: [Int] = []

        for count in [4, 9, 2] { place.divide(count) { part in order += part } }

        #expect(order == Array(0..<4) + Array(0..<9) + Array(0..<2))
        var late = board.place(1)
        #expect(late.isTaken(4))
        late.divide(4) { _ in Issue.record("a piece was done twice") }
    }

    @Test(arguments: [1, 2]) func `the caller's thread is heard of at each stage, and no other`(threads: Int) {
        let board = StageBoard(stageMax: 3, threadCount: threads)
        var places = (0..<threads).map { board.place($0) }

        for (stage, count) in [4, 9, 2].enumerated() {
            let before = board.pulse.beatCount
            places[0].divide(count) { _ in }
            #expect(board.pulse.beatCount > before, "stage \(stage)")
            let after = board.pulse.beatCount
            if threads > 1 { places[1].divide(count) { _ in } }
            #expect(board.pulse.beatCount == after)
        }
    }

    final class Counter: Sendable {
        let value = Atomic<Int>(0)
    }
}
