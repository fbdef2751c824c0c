import NIOCore

/// Connections that the kernel has accepted for a listening socket and nobody has taken yet.
///
/// Closing the socket resets them, though their clients may have sent a request already. So a socket that is to end first
/// lets no further handshake begin, waits for those under way, and is closed once the queue is empty. A client whose
/// SYN is dropped tries again after a second, and finds whoever listens by then, or is refused.
///
/// Source: socket(7), SO_ATTACH_FILTER; tcp(7), TCP_INFO, whose `unacked` is the queue's length while a socket listens.
enum AcceptQueue {
    /// What a handshake under way gets to end in: a round trip.
    private static let handshake = TimeAmount.milliseconds(50)
    /// An event loop that does not accept for so long is stuck.
    private static let longest = TimeAmount.seconds(1)
    private static let interval = TimeAmount.milliseconds(5)

    /// Returns when the socket of a server channel can be closed and no client is reset by it; at once where the system
    /// cannot tell.
    static func drain(_ channel: any Channel) async {
        guard let socket = channel as? any SocketOptionProvider else { return }
        let start = NIODeadline.now()
        do {
            try await dropHandshakes(socket, on: channel.eventLoop).get()
            repeat {
                try await channel.eventLoop.scheduleTask(in: interval) {}.futureResult.get()
            } while try await isWaiting(socket, since: start)
        } catch {
            return
        }
    }

    private static func isWaiting(_ socket: any SocketOptionProvider, since start: NIODeadline) async throws -> Bool {
        let passed = NIODeadline.now() - start
        guard passed >= handshake else { return true }
        return try await length(socket).get() > 0 && passed < longest
    }

    // MARK: - The filter

    /// `struct sock_filter`.
    private struct Instruction {
        var code: UInt16
        var jumpTrue: UInt8 = 0
        var jumpFalse: UInt8 = 0
        var operand: UInt32
    }

    /// `struct sock_fprog`.
    // SENDABLE: read within the call it is given to, on the thread that makes it.
    private struct Program: @unchecked Sendable {
        var count: UInt16
        var instructions: UnsafePointer<Instruction>?
    }

    /// Drops what has SYN and no ACK among its flags, byte 13 of the TCP header, where the filter begins.
    private static let filter = [
        Instruction(code: 0x30, operand: 13),  // load byte
        Instruction(code: 0x54, operand: 0x12),  // and
        Instruction(code: 0x15, jumpTrue: 0, jumpFalse: 1, operand: 0x02),  // is it SYN alone?
        Instruction(code: 0x06, operand: 0),  // drop
        Instruction(code: 0x06, operand: .max),  // pass
    ]

    private static func dropHandshakes(
        _ socket: any SocketOptionProvider, on eventLoop: any EventLoop
    ) -> EventLoopFuture<Void> {
        // On its loop the option is set before the call returns.
        eventLoop.flatSubmit {
            filter.withUnsafeBufferPointer { instructions in
                socket.unsafeSetSocketOption(
                    level: .socket, name: NIOBSDSocket.Option(rawValue: 26),  // SO_ATTACH_FILTER
                    value: Program(count: UInt16(instructions.count), instructions: instructions.baseAddress))
            }
        }
    }

    // MARK: - The length

    /// The head of `struct tcp_info`.
    private struct Information {
        var states: UInt64
        var timeouts: (retransmission: UInt32, acknowledgement: UInt32)
        var segments: (sent: UInt32, received: UInt32)
        var unacked: UInt32
    }

    private static func length(_ socket: any SocketOptionProvider) -> EventLoopFuture<Int> {
        let information: EventLoopFuture<Information> = socket.unsafeGetSocketOption(
            level: .tcp, name: NIOBSDSocket.Option(rawValue: 11))  // TCP_INFO
        return information.map { Int($0.unacked) }
    }
}
