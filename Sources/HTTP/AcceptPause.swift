import NIOCore
import NIOPosix

/// Stops accepting for a while when the system has no descriptors or memory for one more connection. Those who connect wait
/// in the kernel's queue; without this the loop would be told of them again and again, and do nothing else.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let shortages = [EMFILE, ENFILE, ENOBUFS, ENOMEM]
    private static let pause = TimeAmount.seconds(1)
    private var isPausing = false

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, Self.shortages.contains(error.errnoCode), !isPausing else {
            return context.fireErrorCaught(error)
        }
        isPausing = true
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
            self.isPausing = false
            if channel.isActive { try? channel.syncOptions?.setOption(.autoRead, value: true) }
        }
    }
}
