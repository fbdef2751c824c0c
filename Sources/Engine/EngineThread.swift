import Glibc
package import Grammar
package import Inference
import Kernels
package import Models
import Synchronization

/// Runs a ``StepLoop`` on a thread of its own, "apus-engine", from `init` to ``stop()``.
///
/// Commands may come from any thread and take effect at the next step boundary, in order of arrival. The thread sleeps
/// only when it has nothing to run. Callbacks come on the engine's thread: whoever gets one hands it on and returns.
package final class EngineThread: Sendable {
    /// What to call on the engine's thread.
    package struct Observer: Sendable {
        /// Once per step boundary that has something to tell, with the events of all routers in order.
        package var events: @Sendable ([RoutedEvent]) -> Void
        /// After each step boundary.
        package var statistics: @Sendable (EngineStatistics) -> Void
        /// Once, when the engine drains and its last sequence has left.
        package var drained: @Sendable () -> Void

        package init(
            events: @escaping @Sendable ([RoutedEvent]) -> Void,
            statistics: @escaping @Sendable (EngineStatistics) -> Void = { _ in },
            drained: @escaping @Sendable () -> Void = {}
        ) {
            self.events = events
            self.statistics = statistics
            self.drained = drained
        }
    }

    /// What the model is and needs.
    package let model: ModelDescription
    /// As they hold, fitted to the model.
    package let options: EngineOptions
    /// What routers may count on between two signs of life; nil where a step says nothing until it ends.
    package let signSeconds: Double?

    private let mailbox: Mailbox<EngineMessage>
    private let health: EngineHealth
    private let thread: Mutex<pthread_t?>

    /// Commands that may wait for one step to end. A step takes milliseconds and a router commands a few times per
    /// sequence and step: whoever is this far ahead is not a router in order.
    package static let waitingCommandsMax = 65_536

    /// Starts the thread. The runtime is used by it alone from now on, and let go of on it.
    /// - Parameter vocabulary: what constrained output is made of; without it constrained sequences fail.
    package init(
        runtime: sending any ModelRuntime, options: EngineOptions, vocabulary: TokenVocabulary? = nil,
        observer: Observer
    ) throws(EngineStartError) {
        model = runtime.description
        self.options = options.fitted(to: runtime.description)
        mailbox = Mailbox(capacity: Self.waitingCommandsMax)
        let pulse = runtime.pulse ?? Pulse()
        signSeconds = StepSigns.seconds(of: runtime)
        health = EngineHealth(now: MonotonicClock.now(), pulse: pulse)
        let body = EngineThreadBody(
            runtime: runtime, options: options, vocabulary: vocabulary, observer: observer, mailbox: mailbox,
            health: health, pulse: pulse)
        // SAFETY: the thread takes the reference over, once; if there is no thread it is taken back below.
        let context = Unmanaged.passRetained(body)
        var started = pthread_t()
        let code = pthread_create(
            &started, nil,
            { context in
                if let context { Unmanaged<EngineThreadBody>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw .noThread(errorCode: code)
        }
        thread = Mutex(started)
    }

    deinit { stop() }

    /// - Returns: false when too many commands wait, or the engine was stopped: the command is lost.
    @discardableResult
    package func post(_ command: WorkerCommand, from router: Int) -> Bool {
        mailbox.put(.command(command, router: router))
    }

    /// Connects a router under a number of the caller's choice. It gets `welcome` with its share, then the prefix
    /// index.
    package func register(router: Int) { mailbox.put(.register(router: router), isUrgent: true) }

    /// Cancels the sequences of a router that is gone and divides its share among the others.
    package func unregister(router: Int) { mailbox.put(.unregister(router: router), isUrgent: true) }

    /// Admits nothing more and gives back what still runs after so many seconds; ``Observer/drained`` says when all
    /// left.
    package func drain(deadlineSeconds: Double) {
        let seconds = deadlineSeconds.isFinite ? max(0, deadlineSeconds) : 0
        mailbox.put(.drain(deadline: MonotonicClock.now().advanced(bySeconds: seconds)), isUrgent: true)
    }

    /// Forward progress, to be compared with ``MonotonicClock``.
    package var progress: EngineProgress { health.read() }

    /// Ends the thread after the step it is in and waits for that. Sequences that still run end without a word.
    /// May be called more than once, also from a callback; there it does not wait.
    package func stop() {
        mailbox.close()
        guard let started = thread.withLock({ $0.take() }) else { return }
        if pthread_equal(started, pthread_self()) != 0 {
            pthread_detach(started)
        } else {
            pthread_join(started, nil)
        }
    }
}

package enum EngineStartError: Error, Equatable, Sendable {
    /// The system gave no thread; `errorCode` is an errno.
    case noThread(errorCode: Int32)
}

enum EngineMessage: Sendable {
    case command(WorkerCommand, router: Int)
    case register(router: Int)
    case unregister(router: Int)
    case drain(deadline: Instant)
}

/// What the thread owns.
private final class EngineThreadBody {
    private let runtime: any ModelRuntime
    private let options: EngineOptions
    private let vocabulary: TokenVocabulary?
    private let observer: EngineThread.Observer
    private let mailbox: Mailbox<EngineMessage>
    private let health: EngineHealth
    private let pulse: Pulse

    init(
        runtime: any ModelRuntime, options: EngineOptions, vocabulary: TokenVocabulary?,
        observer: EngineThread.Observer, mailbox: Mailbox<EngineMessage>, health: EngineHealth, pulse: Pulse
    ) {
        self.runtime = runtime
        self.options = options
        self.vocabulary = vocabulary
        self.observer = observer
        self.mailbox = mailbox
        self.health = health
        self.pulse = pulse
    }

    func run() {
        ThreadName.set("apus-engine")
        var loop = StepLoop(runtime: runtime, options: options, vocabulary: vocabulary)
        var hasDrained = false
        while let messages = mailbox.take(waits: !loop.hasWork) {
            let wasIdle = loop.runningCount == 0
            for message in messages {
                apply(message, to: &loop)
                pulse.beat()
            }
            if wasIdle && loop.runningCount > 0 { health.sequencesCame(loop.runningCount, now: MonotonicClock.now()) }
            let events = loop.step(clock: MonotonicClock.now)
            let statistics = loop.statistics
            health.stepEnded(
                stepCount: statistics.stepCount, runningCount: statistics.runningCount, now: MonotonicClock.now())
            if !events.isEmpty { observer.events(events) }
            observer.statistics(statistics)
            if loop.isDraining && loop.runningCount == 0 && !hasDrained {
                hasDrained = true
                observer.drained()
            }
        }
    }

    private func apply(_ message: EngineMessage, to loop: inout StepLoop) {
        switch message {
        case .command(let command, let router): loop.apply(command, from: router, now: MonotonicClock.now())
        case .register(let router): loop.register(router: router)
        case .unregister(let router): loop.unregister(router: router)
        case .drain(let deadline): loop.drain(until: deadline)
        }
    }
}
