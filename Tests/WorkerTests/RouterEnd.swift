import HTTP
import Inference
import NIOCore
import Synchronization
import WorkerProtocol

@testable import Worker

/// A router's end of a link, over a socket: says what the test wants and keeps what it hears.
final class RouterEnd {
    enum Heard: Equatable, Sendable {
        case message(WorkerMessage)
        case ended(GRPCStatus)
    }

    private let wire: NIOLoopBound<Wire>
    private var iterator: AsyncStream<Heard>.Iterator

    private final class Wire {
        let connection: HTTP2ClientConnection
        let call: GRPCClientCall

        init(_ connection: HTTP2ClientConnection, _ continuation: AsyncStream<Heard>.Continuation) {
            self.connection = connection
            call = GRPCClientCall(connection, path: "/apus.worker.v1.Worker/Link")
            call.onMessage = { message in
                do {
                    continuation.yield(.message(try WorkerMessage(bytes: message.readableBytesSpan)))
                } catch {
                    continuation.yield(.ended(GRPCStatus(.dataLoss, "\(error)")))
                }
            }
            call.onStatus = { continuation.yield(.ended($0)) }
        }
    }

    convenience init(_ rig: WorkerRig) async throws { try await self.init(rig.eventLoop, port: rig.service.port) }

    init(_ loop: any EventLoop, port: Int) async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Heard.self)
        iterator = stream.makeAsyncIterator()
        wire = try await loop.flatSubmit {
            HTTP2ClientConnection.connect(host: "127.0.0.1", port: port, eventLoop: loop).map {
                NIOLoopBound(Wire($0, continuation), eventLoop: loop)
            }
        }.get()
    }

    /// A router that has said hello and been welcomed.
    static func linked(_ rig: WorkerRig, router: String = "r", epoch: UInt64 = 1) async throws -> (
        RouterEnd, WorkerDescription
    ) {
        let end = try await RouterEnd(rig)
        try await end.say(.hello(RouterHello(router: router, epoch: epoch)))
        guard case .message(.welcome(let description, version: ProtocolVersion.supported.upperBound)) = await end.next()
        else {
            throw Unexpected()
        }
        return (end, description)
    }

    struct Unexpected: Error {}

    func say(_ message: RouterMessage) async throws { try await say(bytes: message.bytes) }

    func say(bytes: [UInt8]) async throws {
        let wire = wire
        try await wire.eventLoop.submit { wire.value.call.send(ByteBuffer(bytes: bytes)) }.get()
    }

    func leave() async throws {
        let wire = wire
        try await wire.eventLoop.submit { wire.value.connection.close() }.get()
    }

    func next() async -> Heard? { await iterator.next() }

    /// The next event that `pick` takes; others are passed over.
    func next<Picked>(_ pick: (WorkerEvent) -> Picked?) async throws -> Picked {
        while let heard = await next() {
            switch heard {
            case .message(.event(let event)): if let picked = pick(event) { return picked }
            case .message: break
            case .ended: throw Unexpected()
            }
        }
        throw Unexpected()
    }

    /// How the worker ended the link.
    func end() async throws -> GRPCStatus {
        while let heard = await next() { if case .ended(let status) = heard { return status } }
        throw Unexpected()
    }

    func admit(_ id: UInt64, _ tokens: [TokenID], maxTokens: Int, resumes: Bool = false) async throws {
        var sampling = SamplingParameters()
        sampling.temperature = 0
        sampling.maxTokens = maxTokens
        try await say(
            .command(
                .admit(
                    AdmittedSequence(
                        id: SequenceID(id), tokens: tokens, promptTokenCount: tokens.count, sampling: sampling,
                        resumes: resumes))))
    }

    /// All tokens of a sequence, up to its end.
    func tokens(of id: UInt64) async throws -> (tokens: [TokenID], finish: SequenceFinish) {
        var tokens: [TokenID] = []
        while true {
            let entries = try await next { if case .step(let report) = $0 { report.entries } else { nil } }
            for entry in entries where entry.sequence == SequenceID(id) {
                tokens += entry.tokens
                if let finish = entry.finish { return (tokens, finish) }
            }
        }
    }
}
