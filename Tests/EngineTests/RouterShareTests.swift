import Engine
import Inference
import Models
import TestSupport
import Testing

@Suite struct RouterShareTests {
    static func loop(slots: Int = 8, pages: Int = 64) -> StepLoop {
        StepLoop(
            runtime: ScriptedRuntime(pageCount: pages),
            options: EngineOptions(servedName: "name", epoch: 3, slotCount: slots))
    }

    static func step(_ loop: inout StepLoop) -> [RoutedEvent] { loop.step(clock: { Instant(nanoseconds: 5000) }) }

    @Test func `a router is welcomed with its share and the index, and the others hear of theirs`() {
        var loop = Self.loop(slots: 7)
        loop.register(router: 10)
        loop.apply(.admit(.greedy(1, Array(1...9), maxTokens: 1)), from: 10, now: Instant(nanoseconds: 0))
        _ = Self.step(&loop)

        loop.register(router: 20)
        let events = Self.step(&loop)

        let chain = PrefixHash.chain(Array(1...9), pageTokenCount: 4, salt: 0)
        let welcome = WorkerDescription(
            model: "name", numericsID: "script-1", epoch: 3, slotCount: 3, pageCount: 32, wholePageCount: 64,
            pageTokenCount: 4, contextLength: 512, vocabularySize: 101, stepTokenBudget: 256)
        let load = WorkerLoad(freeSlots: 4, freePages: 32, runningSequences: 0, waitingPrefillTokens: 0)
        #expect(
            events.filter { $0.router == 20 }.map(\.event) == [
                .welcome(welcome), .prefix(added: chain.sorted(), removed: [], isSnapshot: true),
            ])
        #expect(
            events.filter { $0.router == 10 }.map(\.event) == [
                .credit(slotCount: 4, pageCount: 32, load: load, commandsSeen: 1)
            ])
    }

    @Test func `each router hears of every step, of its own sequences only, whatever ids others use`() {
        var loop = Self.loop()
        for router in [0, 1, 2] { loop.register(router: router) }
        _ = Self.step(&loop)
        for router in [0, 1] {
            loop.apply(
                .admit(.greedy(7, [TokenID(router + 4), 9], maxTokens: 3)), from: router, now: Instant(nanoseconds: 0))
        }
        loop.apply(.cancel(SequenceID(1)), from: 0, now: Instant(nanoseconds: 0))

        let reports = Self.step(&loop).compactMap { routed in
            if case .step(let report) = routed.event { (routed.router, report) } else { nil }
        }

        #expect(reports.map(\.0) == [0, 1, 2])
        #expect(reports.map(\.1.entries.count) == [1, 1, 0])
        #expect(reports.map(\.1.commandsSeen) == [2, 1, 0])
        #expect(reports.map(\.1.load.runningSequences) == [1, 1, 0])
        #expect(reports.map(\.1.load.freeSlots) == [2, 2, 2])
        #expect(reports.allSatisfy { $0.1.number == 1 && $0.1.tokenCount == 4 })
        #expect(reports[0].1.entries[0].tokens != reports[1].1.entries[0].tokens)
    }

    @Test func `no router takes more than its share of slots and pages`() {
        var loop = Self.loop(slots: 4, pages: 16)
        loop.register(router: 0)
        loop.register(router: 1)
        func admit(_ id: UInt64, _ count: Int) {
            loop.apply(
                .admit(.greedy(id, Array(repeating: TokenID(id), count: count), maxTokens: 9)), from: 0,
                now: Instant(nanoseconds: 0))
        }
        admit(1, 24)
        admit(2, 12)
        admit(3, 4)
        admit(4, 4)

        let refused = Self.step(&loop).compactMap { if case .refused(let id) = $0.event { id } else { nil } }

        #expect(refused == [SequenceID(2), SequenceID(4)])
    }

    /// A journal may be longer than a share that has shrunk since it was begun: with pages enough in the worker it goes on.
    @Test func `the only sequence of a router may be longer than its share, and others may not`() {
        var loop = Self.loop(slots: 4, pages: 16)
        loop.register(router: 0)
        loop.register(router: 1)
        func admit(_ id: UInt64, _ count: Int) {
            loop.apply(
                .admit(.greedy(id, (0..<TokenID(count)).map { $0 % 50 }, maxTokens: 9)), from: 0,
                now: Instant(nanoseconds: 0))
        }
        func refused() -> [SequenceID] {
            Self.step(&loop).compactMap { if case .refused(let id) = $0.event { id } else { nil } }
        }
        admit(1, 40)
        #expect(refused() == [] && loop.runningCount == 1)
        admit(2, 4)
        #expect(refused() == [SequenceID(2)])
        #expect(loop.invariantViolation() == nil)
    }

    @Test func `a router that goes takes its sequences along and leaves its share to the rest`() {
        var loop = Self.loop()
        loop.register(router: 0)
        loop.register(router: 1)
        for router in [0, 1] {
            loop.apply(.admit(.greedy(1, [1, 2, 3], maxTokens: 50)), from: router, now: Instant(nanoseconds: 0))
        }
        _ = Self.step(&loop)

        loop.unregister(router: 0)
        loop.apply(.admit(.greedy(2, [1])), from: 0, now: Instant(nanoseconds: 0))
        let events = Self.step(&loop)

        #expect(events.allSatisfy { $0.router == 1 })
        #expect(loop.runningCount == 1 && loop.invariantViolation() == nil)
        let loads = events.compactMap { if case .step(let report) = $0.event { report.load.freeSlots } else { nil } }
        #expect(loads == [7])
        // A report tells what is free, and not that the share has grown.
        let shares = events.compactMap { if case .credit(let slots, _, _, _) = $0.event { slots } else { nil } }
        #expect(shares == [8])
        loop.unregister(router: 1)
        #expect(loop.runningCount == 0 && loop.statistics.usedPageCount == 0 && Self.step(&loop).isEmpty)
    }

    /// A router keeps its picture of the prefix index by what it hears alone.
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func `snapshot and deltas add up to the index`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var loop = Self.loop(slots: 6, pages: 24)
        var known: [Int: Set<UInt64>] = [:]
        var (id, connected): (UInt64, [Int]) = (0, [])
        for round in 0..<300 {
            if round % 37 == 0 && connected.count < 3 {
                loop.register(router: round)
                connected.append(round)
            }
            if round % 101 == 100 { loop.unregister(router: connected.removeFirst()) }
            if let router = connected.randomElement(using: &random), random.happens(0.4) {
                id += 1
                let tokens = (0..<Int.random(in: 1...20, using: &random)).map { _ in
                    TokenID.random(in: 0...1, using: &random)
                }
                loop.apply(.admit(.greedy(id, tokens, maxTokens: 6)), from: router, now: Instant(nanoseconds: 0))
            }
            for (router, event) in Self.step(&loop) {
                guard case .prefix(let added, let removed, let isSnapshot) = event else { continue }
                if isSnapshot { known[router] = [] }
                #expect(known[router]?.isDisjoint(with: added) == true)
                known[router]?.formUnion(added)
                #expect(known[router]?.isSuperset(of: removed) == true)
                known[router]?.subtract(removed)
            }
            #expect(loop.invariantViolation() == nil)
        }
        loop.register(router: 999)
        let snapshot = Self.step(&loop).compactMap { routed -> Set<UInt64>? in
            if routed.router == 999, case .prefix(let added, _, true) = routed.event { Set(added) } else { nil }
        }
        for router in connected { #expect(known[router] == snapshot.first) }
        #expect(snapshot.first?.isEmpty == false)
    }
}
