import Engine
import HTTP
import Inference
import Logging
import Models
import NIOCore
import NIOPosix
import Synchronization
import Telemetry
import Testing
import Text

@testable import Worker

/// A worker with a scripted model, on sockets of its own.
struct WorkerRig {
    static let tokenizer = TokenizerSpec(
        kind: .bytePairEncoding, preTokenizer: "gpt-2", tokens: (0..<ScriptedRuntime.vocabularySize).map { "t\($0)" },
        tokenKinds: Array(repeating: .normal, count: ScriptedRuntime.vocabularySize), eosToken: 0)

    let service: WorkerService
    let registry: MetricRegistry
    let gate: Gate
    let clock: TestClock

    var eventLoop: any EventLoop { service.desk.eventLoop }

    static func start(
        pageCount: Int = 64, pulse: Pulse? = nil, chatTemplate: String? = nil,
        file: ModelOnDisk = ModelOnDisk(), _ change: (inout WorkerOptions) -> Void = { _ in }
    ) async throws -> WorkerRig {
        let (registry, gate, clock) = (MetricRegistry(), Gate(), TestClock())
        var tokenizer = tokenizer
        tokenizer.chatTemplate = chatTemplate
        let spec = tokenizer
        let service = try await WorkerService.start(
            options(change), eventLoop: MultiThreadedEventLoopGroup.singleton.next(), registry: registry,
            logger: quiet, clock: { clock.now() }
        ) {
            LoadedModel(
                runtime: ScriptedRuntime(gate: gate, pageCount: pageCount, pulse: pulse), tokenizer: spec,
                isIntact: { file.isIntact.load(ordering: .relaxed) })
        }
        return WorkerRig(service: service, registry: registry, gate: gate, clock: clock)
    }

    static func options(_ change: (inout WorkerOptions) -> Void = { _ in }) -> WorkerOptions {
        var options = WorkerOptions()
        options.port = 0
        options.metricsPort = 0
        options.slotCount = 8
        options.epoch = 77
        options.drainSeconds = 5
        options.servedName = "served"
        change(&options)
        return options
    }

    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

/// What a worker finds when it looks after its model's file.
final class ModelOnDisk: Sendable {
    let isIntact = Atomic<Bool>(true)
}

/// The engine's clock, moved forward by hand.
final class TestClock: Sendable {
    private let offsetNanoseconds = Atomic<Int64>(0)

    func advance(bySeconds seconds: Int64) {
        offsetNanoseconds.add(seconds * 1_000_000_000, ordering: .relaxed)
    }

    func now() -> Instant {
        Instant(
            nanoseconds: MonotonicClock.now().nanoseconds + offsetNanoseconds.load(ordering: .relaxed))
    }
}
