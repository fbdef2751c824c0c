import Foundation
import NIOCore
import NIOPosix
import Testing

@testable import HTTP

/// Where there is no descriptor for a connection, a listener does not ask for it again and again.
@Suite(.timeLimit(.minutes(1))) struct AcceptPauseTests {
    /// Notes the errors that pass.
    private final class Passed: ChannelInboundHandler {
        typealias InboundIn = any Channel
        private let tally: Tally

        init(_ tally: Tally) { self.tally = tally }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            tally.add("\((error as? IOError)?.errnoCode ?? 0)")
        }
    }

    private static func listening(
        _ tally: Tally, _ use: (any Channel) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let listener = try await ServerBootstrap(group: group)
            .serverChannelInitializer { server in
                server.eventLoop.makeCompletedFuture {
                    try server.pipeline.syncOperations.addHandlers(AcceptPause(), Passed(tally))
                }
            }
            .childChannelInitializer { child in
                tally.add("accepted")
                return child.close()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        try await use(listener)
        try await group.shutdownGracefully()
    }

    @Test(arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM])
    func `who comes while there is a shortage waits, and is accepted later`(code: CInt) async throws {
        let tally = Tally()
        try await Self.listening(tally) { listener in
            listener.pipeline.fireErrorCaught(IOError(errnoCode: code, reason: "accept"))
            var isAccepting = try await listener.getOption(.autoRead).get()
            #expect(!isAccepting)

            let port = try #require(listener.localAddress?.port)
            let socket = try RawSocket(port: port)
            #expect(tally["accepted"] == 0)
            try await until { tally["accepted"] == 1 }

            isAccepting = try await listener.getOption(.autoRead).get()
            #expect(isAccepting)
            #expect(socket.receiveAll()?.isEmpty ?? true)
            #expect(tally["\(code)"] == 0)
        }
    }

    @Test func `any other error passes, and the listener goes on`() async throws {
        let tally = Tally()
        try await Self.listening(tally) { listener in
            listener.pipeline.fireErrorCaught(IOError(errnoCode: ECONNABORTED, reason: "accept"))

            let isAccepting = try await listener.getOption(.autoRead).get()
            #expect(isAccepting)
            #expect(tally["\(ECONNABORTED)"] == 1)
        }
    }
}
