import Engine
import Inference
import Synchronization

/// When an engine counts as hung. Being busy is no illness: only a step that is owed and does not end is.
struct HealthRules: Sendable {
    /// An engine may owe a step for so long, whatever its steps take.
    var stallSeconds: Double

    /// And for so many times its slowest step of late: a large model on few cores takes its time.
    static let slowSteps = 20.0

    func isAlive(_ progress: EngineProgress, slowestStepSeconds: Double, now: Instant) -> Bool {
        progress.stalledSeconds(at: now) <= max(stallSeconds, Self.slowSteps * slowestStepSeconds)
    }
}

/// What a worker says of itself to probes. Written by the service and the engine's thread, read by any.
package final class WorkerHealth: Sendable {
    package enum Phase: Equatable, Sendable {
        case loading, serving, draining
    }

    private struct State {
        var phase = Phase.loading
        var engine: EngineThread?
    }

    private let state = Mutex(State())
    private let slowestStepMicroseconds = Atomic<UInt32>(0)
    private let rules: HealthRules
    private let clock: @Sendable () -> Instant

    init(rules: HealthRules, clock: @escaping @Sendable () -> Instant) {
        self.rules = rules
        self.clock = clock
    }

    package var phase: Phase { state.withLock { $0.phase } }

    /// False while the engine is hung: then only a restart helps.
    package var isAlive: Bool {
        guard let engine = state.withLock({ $0.engine }) else { return true }
        let slowest = Double(slowestStepMicroseconds.load(ordering: .relaxed)) / 1e6
        return rules.isAlive(engine.progress, slowestStepSeconds: slowest, now: clock())
    }

    /// Whether routers may send work.
    package var isReady: Bool { phase == .serving && isAlive }

    func serve(_ engine: EngineThread) {
        state.withLock {
            $0.engine = engine
            if $0.phase == .loading { $0.phase = .serving }
        }
    }

    func drain() { state.withLock { $0.phase = .draining } }

    /// On the engine's thread: a step took so long. The slowest fades by a 64th per step.
    func stepEnded(microseconds: UInt32) {
        let slowest = slowestStepMicroseconds.load(ordering: .relaxed)
        slowestStepMicroseconds.store(max(microseconds, slowest - slowest / 64), ordering: .relaxed)
    }
}
