import HTTP
import Inference
import NIOCore
import Text
import WorkerProtocol

/// One connection to a worker and the `Link` stream on it, from dial to loss. Never used again. Confined to its event loop.
///
///     dialling ─▶ greeting ─▶ preparing ─▶ linked ─▶ ended
///
/// While preparing, the worker has welcomed us and the model's tokenizer is on its way; what the worker says meanwhile
/// is kept, for the delegate hears of a worker only when its requests can be tokenized.
final class LinkCall {
    /// What becomes of a call, in order; `ended` once and last.
    enum News {
        case welcomed(WorkerDescription, Tokenizer)
        case received(WorkerEvent)
        /// A sentence, whether `welcomed` came before, and for how long nothing had come from the worker.
        case ended(reason: String, wasLinked: Bool, silentSeconds: Double)
    }

    private enum State {
        case dialling
        case greeting
        case preparing
        case linked
        case ended
    }

    private let options: GRPCWorkerLink.Options
    private let eventLoop: any EventLoop
    private let tokenizers: TokenizerStore
    private let tell: (LinkCall, News) -> Void

    private var state = State.dialling
    /// What came while preparing.
    private var kept: [WorkerEvent] = []
    private var connection: HTTP2ClientConnection?
    private var stream: GRPCClientCall?
    private var silence: SilenceWatch
    private var tick: Scheduled<Void>?
    private var deadline: Scheduled<Void>?
    private var sentCount: UInt64 = 0
    /// Of the tokenizer that this call fetches, for all.
    private var fetching: TokenizerStore.Key?

    init(
        options: GRPCWorkerLink.Options, eventLoop: any EventLoop, tokenizers: TokenizerStore,
        tell: @escaping (LinkCall, News) -> Void
    ) {
        self.options = options
        self.eventLoop = eventLoop
        self.tokenizers = tokenizers
        silence = SilenceWatch(askAfter: options.looksBeforePing, giveUpAfter: options.looksBeforeLoss)
        self.tell = tell
    }

    // MARK: - Dial and greet

    func dial(epoch: UInt64) {
        deadline = eventLoop.assumeIsolated().scheduleTask(in: options.welcomeTimeout) { [weak self] in
            self?.end("The worker did not welcome this router in time.")
        }
        HTTP2ClientConnection.connect(
            host: options.host, port: options.port, eventLoop: eventLoop, tls: options.tls
        ).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let connection): self.connected(connection, epoch)
            case .failure(let error): self.end(String(describing: error))
            }
        }
    }

    private func connected(_ connection: HTTP2ClientConnection, _ epoch: UInt64) {
        guard case .dialling = state else { return connection.close() }
        state = .greeting
        self.connection = connection
        connection.onClosed = { [weak self] in self?.end("The connection to the worker was lost.") }
        let stream = GRPCClientCall(
            connection, path: "/apus.worker.v1.Worker/Link", messageByteCountMax: WireLimits.messageByteMax)
        self.stream = stream
        stream.onMessage = { [weak self] in self?.received($0) }
        stream.onStatus = { [weak self] in self?.linkEnded($0) }
        // A worker that has two addresses takes this router for two; by one name, each link would end the other.
        let name = "\(options.host):\(options.port) from \(options.router)".utf8.prefix(WireLimits.nameByteMax)
        say(.hello(RouterHello(router: String(decoding: name, as: UTF8.self), epoch: epoch)))
        tickSoon()
    }

    private func say(_ message: RouterMessage) { stream?.send(message.bytes) }

    private func linkEnded(_ status: GRPCStatus) {
        end(
            connection?.isUsable ?? false
                ? "The worker ended the link: \(Self.text(status))" : "The connection to the worker was lost.")
    }

    private static func text(_ status: GRPCStatus) -> String {
        if status.message.isEmpty { return "gRPC status \(status.code.rawValue)." }
        return status.message.hasSuffix(".") ? status.message : status.message + "."
    }

    /// A silent connection is asked for a sign of life; reports that flow are one.
    private func tickSoon() {
        tick = eventLoop.assumeIsolated().scheduleTask(in: options.lookInterval) { [weak self] in
            guard let self, let connection = self.connection else { return }
            switch self.silence.look(byteCount: connection.receivedByteCount) {
            case .wait: break
            case .ask: connection.ping()
            case .giveUp: return self.end("The worker was silent, also when it was pinged.")
            }
            self.tickSoon()
        }
    }

    // MARK: - What the worker says

    private func received(_ bytes: ByteBuffer) {
        do throws(WireError) {
            switch (state, try WorkerMessage(bytes: bytes.readableBytesSpan)) {
            case (.greeting, .welcome(let description, _)): prepare(description)
            case (.preparing, .event(let event)):
                guard kept.count < Self.keptEventsMax else {
                    return end("The worker said too much before its tokenizer came.")
                }
                kept.append(event)
            case (.linked, .event(let event)): tell(self, .received(event))
            case (.greeting, .event): end("The worker spoke before its welcome.")
            case (.preparing, .welcome), (.linked, .welcome): end("The worker welcomed this router twice.")
            case (_, .unknown), (.dialling, _), (.ended, _): break
            }
        } catch {
            end("The worker sent a bad message: \(error)")
        }
    }

    /// Nothing of ours runs there yet, so that only other routers' steps and the prefix index are told.
    private static let keptEventsMax = 65_536

    private func prepare(_ description: WorkerDescription) {
        deadline?.cancel()
        deadline = nil
        state = .preparing
        findTokenizer(description)
    }

    private func findTokenizer(_ description: WorkerDescription) {
        guard case .preparing = state else { return }
        let key = TokenizerStore.Key(description)
        switch tokenizers.find(key, retry: { [weak self] in self?.findTokenizer(description) }) {
        case .ready(let tokenizer): ready(description, tokenizer)
        case .wait: break
        case .fetch:
            fetching = key
            fetchTokenizer(description)
        }
    }

    private func fetchTokenizer(_ description: WorkerDescription) {
        guard let connection else { return }
        var assembly = TokenizerTransfer.Assembly()
        var problem: WireError?
        let stream = GRPCClientCall(
            connection, path: "/apus.worker.v1.Worker/Tokenizer", messageByteCountMax: 1 << 20)
        stream.onMessage = { bytes in
            do throws(WireError) {
                if problem == nil { try assembly.add(bytes: bytes.readableBytesSpan) }
            } catch {
                problem = error
            }
        }
        stream.onStatus = { [weak self] status in
            guard let self else { return }
            guard status.code == .ok else {
                return self.end("The worker did not hand over its tokenizer: \(Self.text(status))")
            }
            do throws(WireError) {
                if let problem { throw problem }
                self.build(try assembly.finish(), for: description)
            } catch {
                self.end("The worker sent a bad tokenizer: \(error)")
            }
        }
        // An empty message: TokenizerRequest has no fields.
        stream.send(ByteBuffer())
        stream.finishSending()
    }

    private func build(_ spec: TokenizerSpec, for description: WorkerDescription) {
        guard spec.tokens.count <= description.vocabularySize else {
            return end(
                "The worker's tokenizer has \(spec.tokens.count) tokens, its model \(description.vocabularySize).")
        }
        TokenizerStore.build(spec, on: eventLoop).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let tokenizer):
                // A call that was lost meanwhile has handed the fetch to another.
                guard let key = self.fetching else { return }
                self.fetching = nil
                self.tokenizers.fetched(key, tokenizer)
                self.ready(description, tokenizer)
            case .failure(let error): self.end("The worker's tokenizer is of no use: \(error)")
            }
        }
    }

    private func ready(_ description: WorkerDescription, _ tokenizer: Tokenizer) {
        guard case .preparing = state else { return }
        state = .linked
        let earlier = kept
        kept = []
        tell(self, .welcomed(description, tokenizer))
        for event in earlier {
            guard case .linked = state else { return }
            tell(self, .received(event))
        }
    }

    // MARK: - What the router says

    /// - Returns: the command's running number; 0 when there is no link.
    func send(_ command: WorkerCommand) -> UInt64 {
        guard case .linked = state else { return 0 }
        say(.command(command))
        sentCount += 1
        return sentCount
    }

    // MARK: - The end

    /// Ends the call, whatever it is at. The first reason counts.
    func end(_ reason: String) {
        let wasLinked: Bool
        switch state {
        case .ended: return
        case .linked: wasLinked = true
        case .dialling, .greeting, .preparing: wasLinked = false
        }
        state = .ended
        tick?.cancel()
        deadline?.cancel()
        let silentSeconds = connection.map { Double((NIODeadline.now() - $0.lastReadAt).nanoseconds) / 1e9 } ?? 0
        connection?.close()
        connection = nil
        stream = nil
        if let fetching { tokenizers.failed(fetching) }
        fetching = nil
        // Never from inside a call to the link.
        eventLoop.assumeIsolated().execute {
            self.tell(self, .ended(reason: reason, wasLinked: wasLinked, silentSeconds: silentSeconds))
        }
    }
}
