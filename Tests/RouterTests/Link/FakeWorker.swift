import HTTP
import Inference
import NIOCore
import NIOPosix
import SwiftProtobuf
import Text
import WorkerProtocol

/// A worker's end of the link, played by the test: real sockets, no engine.
final class FakeWorker: Sendable {
    enum Heard: Equatable, Sendable {
        case hello(RouterHello)
        case command(WorkerCommand)
        case tokenizerAsked
        case gone
    }

    /// How the worker behaves when it is greeted.
    enum Manner: Sendable {
        case welcoming
        case silent
        case refusing
        /// Hands over a tokenizer that is cut short.
        case brokenTokenizer
    }

    static let tokenizer = TokenizerSpec(
        kind: .bytePairEncoding, preTokenizer: "gpt-2", tokens: (0..<256).map { "t\($0)" },
        tokenKinds: Array(repeating: .normal, count: 256))

    static let description = WorkerDescription(
        model: "m", numericsID: "n-1", epoch: 7, slotCount: 4, pageCount: 100, pageTokenCount: 16, contextLength: 1000,
        vocabularySize: 256, stepTokenBudget: 64)

    let description: WorkerDescription
    let listener: HTTPListener
    let loop: any EventLoop
    private let desk: NIOLoopBound<Desk>
    private let stream: AsyncStream<Heard>

    private final class Desk {
        var calls: [GRPCServerCall] = []
        var manner: Manner
        let description: WorkerDescription
        let tokenizer: TokenizerSpec
        let tell: (Heard) -> Void

        init(
            _ manner: Manner, _ description: WorkerDescription, _ tokenizer: TokenizerSpec,
            _ tell: @escaping (Heard) -> Void
        ) {
            self.manner = manner
            self.description = description
            self.tokenizer = tokenizer
            self.tell = tell
        }

        func link(_ call: GRPCServerCall) {
            calls.append(call)
            call.onMessage = { [weak self] bytes in
                switch try? RouterMessage(bytes: bytes.readableBytesSpan) {
                case .hello(let hello): self?.greeted(call, hello)
                case .command(let command): self?.tell(.command(command))
                case nil: break
                }
            }
            call.onEnd = { [weak self] in self?.tell(.gone) }
            call.onCancelled = { [weak self] _ in self?.tell(.gone) }
            call.begin()
        }

        private func greeted(_ call: GRPCServerCall, _ hello: RouterHello) {
            tell(.hello(hello))
            switch manner {
            case .welcoming, .brokenTokenizer: send(.welcome(description), on: call)
            case .silent: break
            case .refusing: call.finish(GRPCStatus(.unavailable, "The worker is draining."))
            }
        }

        func send(_ event: WorkerEvent, on call: GRPCServerCall) {
            call.send(ByteBuffer(bytes: WorkerMessage.bytes(event, version: ProtocolVersion.supported.upperBound)))
        }

        func tokenizer(_ call: GRPCServerCall) {
            tell(.tokenizerAsked)
            call.unary { [weak self] _ in
                guard let self else { return }
                let chunks = TokenizerTransfer.chunks(self.tokenizer)
                if case .brokenTokenizer = self.manner {
                    call.send(ByteBuffer(bytes: chunks[0].dropLast()))
                } else {
                    for chunk in chunks { call.send(ByteBuffer(bytes: chunk)) }
                }
                call.finish(GRPCStatus(.ok))
            }
        }
    }

    /// - Parameter chatTemplate: its worker says a digest; without one it is a worker that knows no digests.
    init(
        _ manner: Manner = .welcoming, chatTemplate: String? = nil, port: Int = 0,
        on loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()
    ) async throws {
        let (description, tokenizer) = Self.what(chatTemplate)
        self.description = description
        let (stream, continuation) = AsyncStream.makeStream(of: Heard.self)
        let desk = try await loop.submit {
            NIOLoopBound(Desk(manner, description, tokenizer) { continuation.yield($0) }, eventLoop: loop)
        }.get()
        listener = try await HTTPListener.bind(host: "127.0.0.1", port: port, group: loop, options: .internalLink) {
            _ in
            let dispatcher = GRPCDispatcher()
            dispatcher.handle("/apus.worker.v1.Worker/Link") { desk.value.link($0) }
            dispatcher.handle("/apus.worker.v1.Worker/Tokenizer") { desk.value.tokenizer($0) }
            return dispatcher
        }
        self.loop = loop
        self.desk = desk
        self.stream = stream
    }

    private static func what(_ chatTemplate: String?) -> (WorkerDescription, TokenizerSpec) {
        guard let chatTemplate else { return (description, tokenizer) }
        var (description, tokenizer) = (description, tokenizer)
        tokenizer.chatTemplate = chatTemplate
        description.tokenizerDigest = SHA256Digest.word(of: Array(chatTemplate.utf8))
        return (description, tokenizer)
    }

    var heard: AsyncStream<Heard>.Iterator { stream.makeAsyncIterator() }

    /// Says something on the newest link.
    func say(_ event: WorkerEvent) async throws {
        let desk = desk
        try await loop.submit {
            if let call = desk.value.calls.last { desk.value.send(event, on: call) }
        }.get()
    }

    func say(bytes: [UInt8]) async throws {
        let desk = desk
        try await loop.submit { desk.value.calls.last?.send(ByteBuffer(bytes: bytes)) }.get()
    }

    func behave(_ manner: Manner) async throws {
        let desk = desk
        try await loop.submit { desk.value.manner = manner }.get()
    }

    /// Dies: all connections are cut and nobody listens any more.
    func die() async { await listener.close() }
}
