import Glibc
package import NIOCore

/// Keeps worker processes of this machine alive: starts them, hears on which ports they listen, asks them how they are,
/// kills those that hang, starts those that end again with growing patience, and stops them all at the end.
///
/// Each child has a thread that starts it, waits for it and does nothing else. The thread lives as long as the children
/// it starts may: the kernel ends a child that asked to die with its parent when the *thread* that started it ends.
/// A child says that it is ready by a line "PORT METRICSPORT\n" on descriptor 3, which it may share with nobody, or by a
/// line "!SENTENCE\n" that it never will be.
package final class LocalSupervisor {
    package struct Options: Sendable {
        /// The running program itself, also after its file was replaced.
        package var executable = "/proc/self/exe"
        /// What every child is given; `--announce-fd 3` follows it.
        package var arguments: [String]
        package var workerCount: Int

        package init(arguments: [String], workerCount: Int) {
            self.arguments = arguments
            self.workerCount = workerCount
        }
    }

    /// What happens to workers; `index` is 0..<workerCount.
    package enum Event: Equatable, Sendable {
        /// It listens on these ports of 127.0.0.1 (or the host that its arguments name) and is ready.
        case workerStarted(index: Int, port: Int, metricsPort: Int)
        /// It was ready, and was killed because it does nothing any more; its end follows.
        case workerHung(index: Int, why: String)
        /// It cannot serve, and said why; its end follows.
        case workerFailed(index: Int, sentence: String)
        /// - Parameters:
        ///   - wasReady: whether `workerStarted` was said of it.
        ///   - restartMilliseconds: when it will be started again; nil when it will not be.
        case workerExited(index: Int, status: ExitStatus, wasReady: Bool, restartMilliseconds: Int?)
        /// The system started no process.
        case workerNotStarted(index: Int, error: SpawnError, restartMilliseconds: Int?)
        /// All have ended after a stop. The last event.
        case stopped
    }

    private let keepers: [ChildKeeper]
    private let stopPipe: StopPipe
    private let probes: NIOLoopBound<LivenessProbes>
    private let eventLoop: any EventLoop

    /// Starts the workers.
    /// - Parameter observe: called on `eventLoop`, which is the caller's, for each event in order.
    package init(options: Options, eventLoop: any EventLoop, observe: @escaping (Event) -> Void) throws(SpawnError) {
        let stopPipe = try StopPipe()
        self.stopPipe = stopPipe
        let observer = NIOLoopBound(observe, eventLoop: eventLoop)
        let probes = NIOLoopBound(LivenessProbes(), eventLoop: eventLoop)
        self.probes = probes
        self.eventLoop = eventLoop
        let left = Countdown(options.workerCount)
        keepers = (0..<options.workerCount).map { index in
            ChildKeeper(index: index, options: options, stopPipe: stopPipe) { keeper, event in
                eventLoop.execute {
                    switch event {
                    case .workerStarted(_, _, let port):
                        // It may have said so just before it was told to end.
                        guard !probes.value.isStopped else { break }
                        let asked = keeper.processID
                        probes.value.byIndex[index] = LivenessProbe(port: port, eventLoop: eventLoop) { why in
                            observer.value(.workerHung(index: index, why: why))
                            if let asked { keeper.kill(asked) }
                        }
                    case .workerExited: probes.value.byIndex.removeValue(forKey: index)?.stop()
                    case .workerHung, .workerFailed, .workerNotStarted, .stopped: break
                    }
                    observer.value(event)
                }
            }
        }
        for keeper in keepers {
            try keeper.startThread {
                guard left.stepIsLast() else { return }
                eventLoop.execute { observer.value(.stopped) }
            }
        }
    }

    deinit { signal(SIGKILL) }

    /// Process ids by index; nil where none runs now.
    package var processIDs: [Int32?] { keepers.map(\.processID) }

    /// Asks all workers to drain and end; none is started again.
    package func terminate() { stop(signal: SIGTERM) }

    /// Ends all workers at once; none is started again.
    package func kill() { stop(signal: SIGKILL) }

    private func stop(signal: Int32) {
        // A worker that drains may be as silent as it likes.
        let probes = probes
        eventLoop.execute { probes.value.stop() }
        self.signal(signal)
    }

    private func signal(_ signal: Int32) {
        stopPipe.close()
        for keeper in keepers { keeper.signal(signal) }
    }
}

/// Of the workers that are ready, by index.
private final class LivenessProbes {
    var byIndex: [Int: LivenessProbe] = [:]
    private(set) var isStopped = false

    func stop() {
        isStopped = true
        for probe in byIndex.values { probe.stop() }
        byIndex = [:]
    }
}
