import NIOCore
package import Serving
import Synchronization
package import Telemetry

/// What v2 requests have cost, by model: Triton's metrics, and what its statistics tell beyond them.
///
/// One for all ports of a router. Usable from any thread.
package final class InferenceStatistics: Sendable {
    private let metrics: MetricRegistry
    private let byModel = Mutex<[String: InferenceCounters]>([:])

    package init(_ metrics: MetricRegistry) { self.metrics = metrics }

    /// Makes the series of each model that is served, so that they begin at 0 and not with the first request.
    package func follow(_ service: any GenerationService) {
        for model in service.models { _ = counters(model.name) }
    }

    /// - Parameter model: one that the service has: its names are a closed set.
    func counters(_ model: String) -> InferenceCounters {
        byModel.withLock { byModel in
            if let known = byModel[model] { return known }
            let counters = InferenceCounters(model, metrics)
            byModel[model] = counters
            return counters
        }
    }
}

/// When a request passed its stations.
struct InferenceTimes {
    var startedAt: NIODeadline
    var submittedAt: NIODeadline
    var admittedAt: NIODeadline?
    var endedAt: NIODeadline?
}

/// Counters of one model.
final class InferenceCounters: Sendable {
    /// Why a request failed, in Triton's words.
    enum Failure: String, CaseIterable {
        case rejected = "REJECTED"
        case cancelled = "CANCELED"
        case backend = "BACKEND"
        case other = "OTHER"
    }

    /// What no metric shows.
    private struct State {
        var pendingCount = 0
        var failureNanoseconds = 0
        var lastRequestSeconds: Int64 = 0
    }

    private let success, executions, sequences: Counter
    private let failures: [Failure: Counter]
    private let requestTime, queueTime, inputTime, computeTime, outputTime: Counter
    private let pendingGauge: Gauge
    private let firstResponseTime: Histogram
    private let state = Mutex(State())

    init(_ model: String, _ metrics: MetricRegistry) {
        let labels = [model, ModelVersion.only]
        success = metrics.counter(.inferSuccess, labels: labels)
        executions = metrics.counter(.inferExecutions, labels: labels)
        sequences = metrics.counter(.inferCount, labels: labels)
        failures = Dictionary(
            uniqueKeysWithValues: Failure.allCases.map {
                ($0, metrics.counter(.inferFailure, labels: labels + [$0.rawValue]))
            })
        requestTime = metrics.counter(.inferRequestTime, labels: labels)
        queueTime = metrics.counter(.inferQueueTime, labels: labels)
        inputTime = metrics.counter(.inferInputTime, labels: labels)
        computeTime = metrics.counter(.inferComputeTime, labels: labels)
        outputTime = metrics.counter(.inferOutputTime, labels: labels)
        pendingGauge = metrics.gauge(.inferPending, labels: labels)
        firstResponseTime = metrics.histogram(.inferFirstResponse, labels: labels)
    }

    func arrived(unixSeconds: Int64) {
        state.withLock { $0.lastRequestSeconds = unixSeconds }
    }

    /// - Parameter change: 1 when a request begins to wait, -1 when it does so no more.
    func pending(_ change: Int) {
        state.withLock {
            $0.pendingCount += change
            pendingGauge.set(Double($0.pendingCount))
        }
    }

    func firstResponse(_ times: InferenceTimes, at now: NIODeadline) {
        firstResponseTime.observe(Double((now - times.startedAt).nanoseconds) / 1e6)
    }

    func succeeded(_ times: InferenceTimes, at now: NIODeadline, sequenceCount: Int, wasPending: Bool) {
        if wasPending { pending(-1) }
        let ended = times.endedAt ?? now
        let admitted = times.admittedAt ?? ended
        success.add()
        executions.add()
        sequences.add(sequenceCount)
        requestTime.add(Self.microseconds(times.startedAt, now))
        inputTime.add(Self.microseconds(times.startedAt, times.submittedAt))
        queueTime.add(Self.microseconds(times.submittedAt, admitted))
        computeTime.add(Self.microseconds(admitted, ended))
        outputTime.add(Self.microseconds(ended, now))
    }

    func failed(_ error: APIError, _ times: InferenceTimes, at now: NIODeadline, wasPending: Bool) {
        let failure: Failure =
            switch (error.status, error.code) {
            case (429, _), (_, "unavailable"), (_, "shutting_down"): .rejected
            case (_, "internal_error"): .backend
            default: .other
            }
        failed(failure, times, at: now, wasPending: wasPending)
    }

    func cancelled(_ times: InferenceTimes, at now: NIODeadline) {
        failed(.cancelled, times, at: now, wasPending: times.admittedAt == nil)
    }

    private func failed(_ failure: Failure, _ times: InferenceTimes, at now: NIODeadline, wasPending: Bool) {
        if wasPending { pending(-1) }
        failures[failure]?.add()
        state.withLock { $0.failureNanoseconds += Int(clamping: (now - times.startedAt).nanoseconds) }
    }

    private static func microseconds(_ from: NIODeadline, _ to: NIODeadline) -> Int {
        Int(clamping: max(0, (to - from).nanoseconds) / 1_000)
    }
}

/// Statistics as Triton's extension has them. Durations are in nanoseconds, made of metrics in microseconds.
struct ModelStatistics: Equatable {
    struct Duration: Equatable {
        var count: Int
        var nanoseconds: Int
    }

    var model: String
    var lastRequestSeconds: Int64
    var sequenceCount: Int
    var executionCount: Int
    /// By the name that Triton gives them.
    var durations: [(name: StaticString, value: Duration)] {
        [
            ("success", success), ("fail", fail), ("queue", queue), ("compute_input", input),
            ("compute_infer", compute), ("compute_output", output),
        ]
    }
    var success, fail, queue, input, compute, output: Duration
}

extension InferenceCounters {
    func statistics(_ model: String) -> ModelStatistics {
        let count = success.value
        func duration(_ time: Counter) -> ModelStatistics.Duration {
            .init(count: count, nanoseconds: time.value * 1_000)
        }
        let (failed, last) = state.withLock { ($0.failureNanoseconds, $0.lastRequestSeconds) }
        return ModelStatistics(
            model: model, lastRequestSeconds: last, sequenceCount: sequences.value, executionCount: executions.value,
            success: duration(requestTime),
            fail: .init(count: failures.values.reduce(0) { $0 + $1.value }, nanoseconds: failed),
            queue: duration(queueTime), input: duration(inputTime), compute: duration(computeTime),
            output: duration(outputTime))
    }
}
