import Glibc
import Synchronization

/// Keeps one child alive, on a thread of its own.
final class ChildKeeper: Sendable {
    private struct State {
        /// Of a child that has not been reaped: a signal to it reaches it or nobody.
        var processID: pid_t?
        var isStopping = false
        /// What a stop asked for before there was a child.
        var stopSignal = SIGTERM
    }

    private let index: Int
    private let options: LocalSupervisor.Options
    private let stopPipe: StopPipe
    private let report: @Sendable (ChildKeeper, LocalSupervisor.Event) -> Void
    private let state = Mutex(State())

    init(
        index: Int, options: LocalSupervisor.Options, stopPipe: StopPipe,
        report: @escaping @Sendable (ChildKeeper, LocalSupervisor.Event) -> Void
    ) {
        self.index = index
        self.options = options
        self.stopPipe = stopPipe
        self.report = report
    }

    var processID: pid_t? { state.withLock { $0.processID } }

    /// Signals the child, if there is one, and lets no other follow it.
    func signal(_ signal: Int32) {
        state.withLock {
            $0.isStopping = true
            $0.stopSignal = signal
            if let processID = $0.processID { _ = Glibc.kill(processID, signal) }
        }
    }

    /// Kills a child, which another one follows; nobody, if another one runs by now.
    func kill(_ processID: pid_t) {
        state.withLock { state in
            if state.processID == processID { _ = Glibc.kill(processID, SIGKILL) }
        }
    }

    /// - Parameter finished: called on the thread when no child will follow.
    func startThread(finished: @escaping @Sendable () -> Void) throws(SpawnError) {
        let body = ThreadBody {
            self.run()
            finished()
        }
        // SAFETY: the thread takes the reference over, once; if there is no thread it is taken back below.
        let context = Unmanaged.passRetained(body)
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw SpawnError(errorCode: code)
        }
        pthread_detach(thread)
    }

    private func run() {
        var backoff = RestartBackoff()
        while true {
            let readySeconds: Double
            switch start() {
            case nil: return
            case .failure(let error):
                let pause = backoff.ended(readySeconds: 0)
                report(self, .workerNotStarted(index: index, error: error, restartMilliseconds: pause))
                readySeconds = 0
                if stopPipe.wait(milliseconds: pause) { return }
            case .success(let started):
                readySeconds = announced(by: started)
                let pause = backoff.ended(readySeconds: readySeconds)
                let (status, isStopping) = reap(started.processID)
                report(
                    self,
                    .workerExited(
                        index: index, status: status, wasReady: readySeconds > 0,
                        restartMilliseconds: isStopping ? nil : pause))
                if isStopping || stopPipe.wait(milliseconds: pause) { return }
            }
        }
    }

    /// - Returns: nil when none is to be started any more.
    private func start() -> Result<ChildProcess.Started, SpawnError>? {
        state.withLock { state in
            guard !state.isStopping else { return nil }
            let result = ChildProcess.spawn(
                executable: options.executable,
                arguments: options.arguments + ["--announce-fd", String(ChildProcess.announceDescriptor)])
            if case .success(let started) = result { state.processID = started.processID }
            return result
        }
    }

    /// Reports the child's ports and waits for its end.
    /// - Returns: for how many seconds it was ready, more than 0; 0 when it never was.
    private func announced(by started: ChildProcess.Started) -> Double {
        let line = ChildProcess.readLine(started.announcements)
        close(started.announcements)
        let ports = (line ?? "").split(separator: " ").compactMap { Int($0) }
        let isReady = ports.count == 2 && ports.allSatisfy { (1...65535).contains($0) }
        let since = monotonicSeconds()
        if isReady { report(self, .workerStarted(index: index, port: ports[0], metricsPort: ports[1])) }
        if let line, line.first == "!" { report(self, .workerFailed(index: index, sentence: String(line.dropFirst()))) }
        ChildProcess.waitForEnd(started.processID)
        return isReady ? max(monotonicSeconds() - since, .leastNonzeroMagnitude) : 0
    }

    private func reap(_ processID: pid_t) -> (ExitStatus, isStopping: Bool) {
        state.withLock { state in
            state.processID = nil
            return (ChildProcess.reap(processID), state.isStopping)
        }
    }

    private func monotonicSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

private final class ThreadBody {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// A wait that a stop ends for everybody at once.
final class StopPipe: Sendable {
    private let reading: Int32
    private let writing: Mutex<Int32?>

    init() throws(SpawnError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SpawnError(errorCode: errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        reading = ends[0]
        writing = Mutex(ends[1])
    }

    deinit {
        close()
        _ = Glibc.close(reading)
    }

    func close() {
        if let end = writing.withLock({ $0.take() }) { _ = Glibc.close(end) }
    }

    /// Blocks for that long, or until the stop.
    /// - Returns: whether it was the stop.
    func wait(milliseconds: Int) -> Bool {
        var entry = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, Int32(clamping: milliseconds)) != 0
    }
}

/// Tells the last of several threads that it is the last.
final class Countdown: Sendable {
    private let left: Atomic<Int>

    init(_ count: Int) { left = Atomic(count) }

    func stepIsLast() -> Bool { left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
}
