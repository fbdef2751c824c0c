import ArgumentParser
import Configuration
import Dispatch
import Foundation
import HTTP
import Logging
import Synchronization
import Telemetry

/// What all long-running commands share: errors as one sentence, logs, and how they stop.
enum Program {
    typealias Body = @Sendable (StopSignals) async throws -> Void

    /// Prepares on the main thread, then runs until the body returns. Errors end the process with status 1 and one line
    /// on standard error; an `ExitCode` with its own and none.
    /// - Parameter failed: told the line.
    static func run(_ prepare: () throws -> Body, failed: (String) -> Void = { _ in }) throws {
        try run(alone: {}, { _ in try prepare() }, failed: failed)
    }

    /// The same.
    /// - Parameter alone: called first, while the process has one thread.
    static func run<Start>(
        alone: () throws -> Start, _ prepare: (Start) throws -> Body, failed: (String) -> Void = { _ in }
    ) throws {
        do {
            _ = DescriptorBudget.ofProcess
            let start = try alone()
            let signals = StopSignals()
            let body = try prepare(start)
            let outcome = Mutex<(any Error)?>(nil)
            let done = DispatchSemaphore(value: 0)
            let report = Report(outcome: outcome, done: done)
            Task {
                await report.fill { try await body(signals) }
            }
            done.wait()
            if let error = report.error { throw error }
        } catch let exit as ExitCode {
            throw exit
        } catch {
            FileHandle.standardError.write(Data("apus: \(error)\n".utf8))
            failed("\(error)")
            throw ExitCode(1)
        }
    }

    /// Nanoseconds since 1970: larger than any epoch of an earlier process.
    static func epoch() -> UInt64 { UInt64(max(0, Date().timeIntervalSince1970) * 1e9) }

    static func logger(_ settings: Settings, _ common: CommonFlags, label: String) throws -> Logger {
        let level = try settings.value(CommonKeys.logLevel, flag: common.logLevel)
        let isJSON = try settings.value(CommonKeys.logFormat, flag: common.logFormat) == "json"
        var logger = Logger(label: label) { isJSON ? jsonHandler($0) : StreamLogHandler.standardError(label: $0) }
        logger.logLevel = Logger.Level(rawValue: level) ?? .info
        return logger
    }

    private static func jsonHandler(_ label: String) -> any LogHandler {
        JSONLogHandler(label: label, unixSeconds: { Date().timeIntervalSince1970 }) { line in
            // One write, so that lines of several threads do not mix.
            FileHandle.standardError.write(Data(line.utf8))
        }
    }

    /// The first signal begins `gently`; a second one, `atOnce`. Returns when `finished` does.
    static func stop(
        _ signals: StopSignals, gently: @escaping @Sendable () async -> Void,
        atOnce: @escaping @Sendable () async -> Void, finished: @escaping @Sendable () async -> Void
    ) async {
        let listener = Task {
            var isFirst = true
            for await _ in signals.stream {
                if isFirst { Task { await gently() } } else { Task { await atOnce() } }
                isFirst = false
            }
        }
        await finished()
        listener.cancel()
    }
}

/// Why a command failed, as its user reads it.
struct Sentence: Error, CustomStringConvertible {
    var description: String
}

/// How a body ended, told from its task to the main thread.
private final class Report: Sendable {
    private let outcome: Mutex<(any Error)?>
    private let done: DispatchSemaphore

    init(outcome: consuming Mutex<(any Error)?>, done: DispatchSemaphore) {
        self.outcome = outcome
        self.done = done
    }

    var error: (any Error)? { outcome.withLock { $0 } }

    func fill(_ body: () async throws -> Void) async {
        do { try await body() } catch { outcome.withLock { $0 = error } }
        done.signal()
    }
}

/// SIGTERM and SIGINT as a stream.
final class StopSignals: Sendable {
    let stream: AsyncStream<Void>
    private let state: SharedState
    // SENDABLE: only kept alive; nobody touches them after the initializer.
    nonisolated(unsafe) private let sources: [any DispatchSourceSignal]

    /// Who raises one flag looks at the other after that, in an order that all threads see: one of the two sees both.
    private final class SharedState: Sendable {
        let wereRaised = Atomic<Bool>(false)
        let isLoading = Atomic<Bool>(false)
    }

    /// Whether one has come already.
    var wereRaised: Bool { state.wereRaised.load(ordering: .sequentiallyConsistent) }

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        self.stream = stream
        let state = SharedState()
        self.state = state
        // A write to a closed socket is an error value, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                state.wereRaised.store(true, ordering: .sequentiallyConsistent)
                if state.isLoading.load(ordering: .sequentiallyConsistent) { _exit(0) }
                continuation.yield()
            }
            source.resume()
            return source
        }
    }

    /// Loading cannot be interrupted, takes minutes for a large model, and has nothing to finish: a signal that comes
    /// meanwhile ends the process at once.
    func whileLoading<Loaded>(_ load: () async throws -> Loaded) async throws -> Loaded {
        state.isLoading.store(true, ordering: .sequentiallyConsistent)
        defer { state.isLoading.store(false, ordering: .releasing) }
        if wereRaised { _exit(0) }
        return try await load()
    }
}
