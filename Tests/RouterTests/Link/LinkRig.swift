import HTTP
import Inference
import NIOCore
import NIOPosix
import Text

@testable import Router

/// Links of a router on one event loop, and what its delegate hears.
final class LinkRig: Sendable {
    enum Heard: Equatable, Sendable {
        case welcomed(WorkerDescription, tokenCount: Int)
        case received(WorkerEvent)
        case lost(String)
        case notOpened(String)
    }

    private final class Delegate: WorkerLinkDelegate {
        let tell: (Heard) -> Void
        /// Held as a router holds those of its workers.
        var tokenizer: Tokenizer?
        init(_ tell: @escaping (Heard) -> Void) { self.tell = tell }
        func linkWelcomed(_ link: any WorkerLink, _ description: WorkerDescription, _ tokenizer: Tokenizer) {
            self.tokenizer = tokenizer
            tell(.welcomed(description, tokenCount: tokenizer.vocabularySize))
        }
        func linkReceived(_ link: any WorkerLink, _ event: WorkerEvent) { tell(.received(event)) }
        func linkLost(_ link: any WorkerLink, _ reason: String, silentSeconds: Double) { tell(.lost(reason)) }
        func linkNotOpened(_ link: any WorkerLink, _ reason: String) { tell(.notOpened(reason)) }
    }

    private struct Held {
        var link: GRPCWorkerLink
        var delegate: Delegate
    }

    let loop: any EventLoop
    private let held: NIOLoopBound<Held>
    private let stream: AsyncStream<Heard>

    /// - Parameter tokenizers: of another rig, to share with it.
    init(
        port: Int, like other: LinkRig? = nil,
        _ change: @escaping @Sendable (inout GRPCWorkerLink.Options) -> Void = { _ in }
    ) async throws {
        let loop = other?.loop ?? MultiThreadedEventLoopGroup.singleton.next()
        let (stream, continuation) = AsyncStream.makeStream(of: Heard.self)
        held = try await loop.submit {
            var options = GRPCWorkerLink.Options(host: "127.0.0.1", port: port, router: "router", epoch: 100)
            change(&options)
            let link = GRPCWorkerLink(
                options, eventLoop: loop, tokenizers: other?.held.value.link.tokenizers ?? TokenizerStore(),
                chance: { 0.5 })
            let delegate = Delegate { continuation.yield($0) }
            link.delegate = delegate
            link.open()
            return NIOLoopBound(Held(link: link, delegate: delegate), eventLoop: loop)
        }.get()
        self.loop = loop
        self.stream = stream
    }

    var heard: AsyncStream<Heard>.Iterator { stream.makeAsyncIterator() }

    var tokenizer: Tokenizer? {
        get async throws {
            let held = held
            return try await loop.submit { held.value.delegate.tokenizer }.get()
        }
    }

    /// Closes the link, and forgets its worker.
    func forget() async throws {
        let held = held
        try await loop.submit {
            held.value.link.close()
            held.value.delegate.tokenizer = nil
        }.get()
    }

    func call<Answer: Sendable>(_ body: @escaping @Sendable (GRPCWorkerLink) -> Answer) async throws -> Answer {
        let held = held
        return try await loop.submit { body(held.value.link) }.get()
    }
}
