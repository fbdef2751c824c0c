import HTTP
import Inference
import NIOCore
import Testing
import WorkerProtocol

@testable import Worker

@Suite(.timeLimit(.minutes(1))) struct CallTests {
    /// Messages and status of one unary or server-streaming call with an empty request.
    static func call(_ method: String, _ rig: WorkerRig) async throws -> ([ByteBuffer], GRPCStatus) {
        let (loop, port) = (rig.eventLoop, rig.service.port)
        return try await loop.flatSubmit {
            HTTP2ClientConnection.connect(host: "127.0.0.1", port: port, eventLoop: loop).flatMap { connection in
                let done = loop.makePromise(of: ([ByteBuffer], GRPCStatus).self)
                var messages: [ByteBuffer] = []
                let call = GRPCClientCall(connection, path: "/apus.worker.v1.Worker/\(method)")
                call.onMessage = { messages.append($0) }
                call.onStatus = { done.succeed((messages, $0)) }
                call.send(ByteBuffer())
                call.finishSending()
                return done.futureResult
            }
        }.get()
    }

    @Test func `a worker describes itself whole, whoever is linked`() async throws {
        let rig = try await WorkerRig.start()
        let (_, first) = try await RouterEnd.linked(rig, router: "first")
        _ = try await RouterEnd.linked(rig, router: "second")

        let (messages, status) = try await Self.call("Describe", rig)

        #expect(status.code == .ok)
        #expect(try messages.map { try WorkerDescription(bytes: $0.readableBytesSpan) } == [first])
        await rig.service.stop()
    }

    @Test func `a worker hands over its tokenizer`() async throws {
        let rig = try await WorkerRig.start()

        let (messages, status) = try await Self.call("Tokenizer", rig)

        #expect(status.code == .ok)
        var assembly = TokenizerTransfer.Assembly()
        for message in messages { try assembly.add(bytes: message.readableBytesSpan) }
        #expect(try assembly.finish() == WorkerRig.tokenizer)
        await rig.service.stop()
    }

    @Test func `a method that is not here is unimplemented`() async throws {
        let rig = try await WorkerRig.start()

        #expect(try await Self.call("Dance", rig).1.code == .unimplemented)
        await rig.service.stop()
    }
}
