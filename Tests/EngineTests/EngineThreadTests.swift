import Engine
import Foundation
import Inference
import Models
import Testing

/// Gathers what an engine tells, and lets a test wait until it has told enough.
// SENDABLE: all state is read and written under `condition`.
final class Listener: @unchecked Sendable {
    private let condition = NSCondition()
    private var events: [RoutedEvent] = []
    private var finished: Set<SequenceKey> = []
    private var tokens: [SequenceKey: [TokenID]] = [:]
    private var drainedCount = 0
    private var statistics: EngineStatistics?
    private var afterFirstToken: (() -> Void)?

    /// Calls `act` between the first step that has a token and the next, on the engine's thread.
    func afterFirstToken(_ act: @escaping () -> Void) { update { $0.afterFirstToken = act } }

    var observer: EngineThread.Observer {
        EngineThread.Observer(
            events: { events in
                var act: (() -> Void)?
                self.update {
                    $0.note(events)
                    guard !$0.tokens.isEmpty else { return }
                    act = $0.afterFirstToken
                    $0.afterFirstToken = nil
                }
                act?()
            },
            statistics: { statistics in self.update { $0.statistics = statistics } },
            drained: { self.update { $0.drainedCount += 1 } })
    }

    private func update(_ change: (Listener) -> Void) {
        condition.lock()
        change(self)
        condition.broadcast()
        condition.unlock()
    }

    private func note(_ new: [RoutedEvent]) {
        events += new
        for (router, event) in new {
            guard case .step(let report) = event else { continue }
            for entry in report.entries {
                let key = SequenceKey(router: router, id: entry.sequence)
                tokens[key, default: []] += entry.tokens
                if entry.finish != nil { finished.insert(key) }
            }
        }
    }

    /// - Returns: false when it has not come true within half a minute.
    func wait(until isEnough: (_ told: Told) -> Bool) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        let deadline = Date(timeIntervalSinceNow: 30)
        while !isEnough(told) {
            guard condition.wait(until: deadline) else { return isEnough(told) }
        }
        return true
    }

    struct Told {
        var events: [RoutedEvent]
        var finished: Set<SequenceKey>
        var tokens: [SequenceKey: [TokenID]]
        var drainedCount: Int
        var statistics: EngineStatistics?
    }

    private var told: Told {
        Told(events: events, finished: finished, tokens: tokens, drainedCount: drainedCount, statistics: statistics)
    }

    var all: Told {
        condition.lock()
        defer { condition.unlock() }
        return told
    }
}

@Suite struct EngineThreadTests {
    static func engine(_ listener: Listener, slots: Int = 8) throws -> EngineThread {
        try EngineThread(
            runtime: ScriptedRuntime(), options: EngineOptions(slotCount: slots), observer: listener.observer)
    }

    @Test func `a thread gives what the loop alone gives`() throws {
        let listener = Listener()
        let engine = try Self.engine(listener)
        engine.register(router: 0)
        let sequences = randomSequences(8, seed: 77)
        for sequence in sequences { #expect(engine.post(.admit(sequence), from: 0)) }

        #expect(listener.wait { $0.finished.count == 8 })
        engine.stop()

        let drive = EngineDrive()
        drive.run(sequences)
        for sequence in sequences {
            let key = SequenceKey(router: 0, id: sequence.id)
            #expect(listener.all.tokens[key] ?? [] == drive.outcomes[sequence.id]?.tokens)
        }
        #expect(engine.progress.runningCount == 0)
        #expect(engine.progress.stepCount == listener.all.statistics?.stepCount)
        #expect(engine.progress.stalledSeconds(at: MonotonicClock.now()) == 0)
    }

    @Test(arguments: 1...20) func `it starts and stops at any moment, and lets go of its model`(round: Int) throws {
        weak var runtime: ScriptedRuntime?
        let listener = Listener()
        do {
            let engine = try startedEngine(listener) { runtime = $0 }
            engine.register(router: 0)
            for id in 0..<UInt64(round) { engine.post(.admit(.greedy(id, [1, 2, 3], maxTokens: 400)), from: 0) }
            if round % 3 == 0 { #expect(listener.wait { !$0.tokens.isEmpty }) }
            if round % 2 == 0 {
                engine.stop()
                engine.stop()
                #expect(!engine.post(.cancel(SequenceID(1)), from: 0))
            }
        }
        #expect(runtime == nil)
    }

    private func startedEngine(_ listener: Listener, _ see: (ScriptedRuntime) -> Void) throws -> EngineThread {
        let runtime = ScriptedRuntime()
        see(runtime)
        // SENDABLE: nothing but a weak reference to it stays here.
        nonisolated(unsafe) let handedOver = runtime
        return try EngineThread(runtime: handedOver, options: EngineOptions(), observer: listener.observer)
    }

    @Test func `it may be stopped from its own callback`() throws {
        let listener = Listener()
        let box = Box()
        let engine = try EngineThread(
            runtime: ScriptedRuntime(), options: EngineOptions(),
            observer: EngineThread.Observer(
                events: { events in
                    box.engine?.stop()
                    listener.observer.events(events)
                }))
        box.engine = engine
        engine.register(router: 0)
        #expect(listener.wait { !$0.events.isEmpty })
        box.engine = nil
        #expect(!engine.post(.cancel(SequenceID(1)), from: 0))
    }

    // SENDABLE: written before the engine has anything to tell, and after it has stopped.
    private final class Box: @unchecked Sendable { var engine: EngineThread? }

    @Test func `many threads post for many routers, and every sequence ends once`() throws {
        let listener = Listener()
        let engine = try Self.engine(listener, slots: 400)
        for router in 0..<4 { engine.register(router: router) }
        let perRouter = 60

        DispatchQueue.concurrentPerform(iterations: 4) { router in
            for id in 0..<perRouter {
                let sequence = AdmittedSequence.greedy(UInt64(id), [TokenID(router), TokenID(id)], maxTokens: 3)
                engine.post(.admit(sequence), from: router)
                engine.post(.cancel(SequenceID(UInt64(id + 100_000))), from: router)
            }
        }

        #expect(listener.wait { $0.finished.count == 4 * perRouter })
        engine.stop()
        let told = listener.all
        #expect(told.tokens.values.allSatisfy { $0.count == 3 })
        let seen = (0..<4).map { router -> UInt64 in
            told.events.reduce(0) { seen, routed in
                switch routed.event {
                case .step(let report) where routed.router == router: max(seen, report.commandsSeen)
                case .credit(_, _, _, let commands) where routed.router == router: max(seen, commands)
                default: seen
                }
            }
        }
        #expect(seen == Array(repeating: UInt64(2 * perRouter), count: 4))
        #expect(told.statistics?.usedPageCount == 0)
    }

    @Test func `a drain is announced, then said to be over, once`() throws {
        let listener = Listener()
        let engine = try Self.engine(listener)
        engine.register(router: 0)
        listener.afterFirstToken { engine.drain(deadlineSeconds: 0) }
        engine.post(.admit(.greedy(1, [1, 2, 3], maxTokens: 400)), from: 0)
        #expect(listener.wait { $0.drainedCount == 1 })
        engine.post(.admit(.greedy(2, [1, 2, 3])), from: 0)
        #expect(listener.wait { $0.events.contains { $0.event == .refused(SequenceID(2)) } })
        engine.stop()

        let events = listener.all.events.map(\.event)
        let (announced, back) = (events.firstIndex(of: .draining), events.firstIndex(of: .preempted(SequenceID(1))))
        #expect(announced != nil && back != nil && announced ?? 0 < back ?? 0)
        #expect(listener.all.drainedCount == 1)
    }

    @Test func `an engine that owes a step and makes none is seen to stall`() {
        let idle = EngineProgress(stepCount: 4, runningCount: 0, lastProgress: Instant(nanoseconds: 0))
        let busy = EngineProgress(stepCount: 4, runningCount: 2, lastProgress: Instant(nanoseconds: 1_000_000_000))
        let now = Instant(nanoseconds: 9_000_000_000)
        #expect(idle.stalledSeconds(at: now) == 0)
        #expect(busy.stalledSeconds(at: now) == 8)
    }
}
