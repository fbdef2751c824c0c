import NIOCore

/// One stage of a server connection's life: choosing a protocol, then its session.
protocol ConnectionStage: AnyObject {
    /// Looks at its deadlines.
    func sweep(now: NIODeadline)
    /// Takes no new requests, finishes what runs, then closes.
    func drain()
    /// Closes now.
    func close()
    /// Bytes of answers that have not reached the socket.
    var unsentByteCount: Int { get }
    /// Whether there are such bytes.
    var isSending: Bool { get }
    /// Gives up answers that hold so many unsent bytes, and no more than it must.
    /// - Returns: how many they held.
    func giveUpUnsent(_ byteCount: Int) -> Int
    /// Shows each request's body.
    func forEachBody(_ show: (RequestBody) -> Void)
    /// Ends what has been gathered since then or longer.
    func endBodies(gatheredSince limit: NIODeadline)
}

extension ConnectionStage {
    var unsentByteCount: Int { 0 }
    var isSending: Bool { false }
    func giveUpUnsent(_ byteCount: Int) -> Int {
        let unsent = unsentByteCount
        close()
        return unsent
    }
    func forEachBody(_ show: (RequestBody) -> Void) {}
    func endBodies(gatheredSince limit: NIODeadline) {}
}

/// A listener's connections on one event loop, and what they share there. Confined to that loop.
final class ServerLoop {
    let eventLoop: any EventLoop
    let options: HTTPListenerOptions
    let handler: any HTTPHandler
    /// The time at the last sweep: exact enough for deadlines, and free.
    private(set) var now = NIODeadline.now()
    private(set) var date = HTTPDate()
    private(set) var isDraining = false
    /// Only connections that are being sent something are left.
    private var closesUnlessSending = false
    private(set) var connections: [ObjectIdentifier: ServerConnection] = [:]
    private var sweeper: RepeatedTask?
    private var emptied: EventLoopPromise<Void>?
    /// Sessions that wrote in this tick: one task flushes them all.
    private var unflushed: [HTTP1Session] = []

    init(eventLoop: any EventLoop, options: HTTPListenerOptions, handler: any HTTPHandler) {
        self.eventLoop = eventLoop
        self.options = options
        self.handler = handler
    }

    func add(_ connection: ServerConnection) {
        if connections.isEmpty { startSweeping() }
        connections[ObjectIdentifier(connection)] = connection
    }

    func remove(_ connection: ServerConnection) {
        connections[ObjectIdentifier(connection)] = nil
        guard connections.isEmpty else { return }
        sweeper?.cancel()
        sweeper = nil
        emptied?.succeed()
        emptied = nil
    }

    /// Has the session's output handed over before the loop waits again.
    func flushSoon(_ session: HTTP1Session) {
        unflushed.append(session)
        if unflushed.count == 1 { eventLoop.assumeIsolated().execute { self.flush() } }
    }

    private func flush() {
        var sessions: [HTTP1Session] = []
        swap(&sessions, &unflushed)
        for session in sessions { session.flush() }
        sessions.removeAll(keepingCapacity: true)
        // Kept for the next tick, unless a flush has made others write.
        if unflushed.isEmpty { swap(&sessions, &unflushed) }
    }

    /// The sweep runs only while there are connections: an idle listener costs nothing.
    private func startSweeping() {
        now = .now()
        date.update()
        let interval = options.timeouts.sweepInterval
        // This object and the task hold each other until the last connection has gone and cancels it.
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        sweeper = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in bound.value.sweep() }
    }

    private func sweep() {
        now = .now()
        date.update()
        for connection in connections.values { connection.stage?.sweep(now: now) }
        keepBudgets()
        if closesUnlessSending { closeUnlessSending() }
    }

    /// What a session answers by itself, which the handler is told of.
    func refusal(_ refusal: HTTP1Refusal) -> (contentType: String, body: ByteBuffer) {
        handler.refused(status: refusal.status, sentence: refusal.sentence, on: eventLoop)
        return options.refusalBody(refusal.status, refusal.sentence)
    }

    /// Completes when the last connection is gone.
    func drain() -> EventLoopFuture<Void> {
        isDraining = true
        let done = whenEmpty()
        for connection in connections.values { connection.stage?.drain() }
        return done
    }

    /// From now on connections close as soon as nothing is left to be sent.
    func closeUnlessSending() {
        closesUnlessSending = true
        for case let stage? in connections.values.map(\.stage) where !stage.isSending { stage.close() }
    }

    func close() -> EventLoopFuture<Void> {
        isDraining = true
        let done = whenEmpty()
        for connection in connections.values { connection.stage?.close() }
        return done
    }

    private func whenEmpty() -> EventLoopFuture<Void> {
        guard !connections.isEmpty else { return eventLoop.makeSucceededVoidFuture() }
        if let emptied { return emptied.futureResult }
        let promise = eventLoop.makePromise(of: Void.self)
        emptied = promise
        return promise.futureResult
    }
}

/// A server's side of one connection: which stage it is in.
final class ServerConnection {
    let loop: ServerLoop
    var stage: (any ConnectionStage)?
    /// Called when it is thrown out for breaking its protocol's rules.
    var onOffence: (() -> Void)?

    init(loop: ServerLoop) {
        self.loop = loop
    }
}
