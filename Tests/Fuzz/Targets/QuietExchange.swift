import HTTP
import NIOCore
import NIOEmbedded

/// An exchange without a connection, whose body is there from the start.
final class QuietExchange: HTTPExchange {
    let request: HTTPRequestHead
    let loop: EmbeddedEventLoop
    var eventLoop: any EventLoop { loop }
    var onClientGone: (() -> Void)?
    let unsentByteCount = 0
    private(set) var status: Int?
    private(set) var written: [UInt8] = []
    private(set) var isOver = false
    private let pieces: [ByteBuffer]

    init(_ request: HTTPRequestHead, pieces: [ByteBuffer], loop: EmbeddedEventLoop) {
        self.request = request
        self.pieces = pieces
        self.loop = loop
    }

    func collectBody(limit: Int, _ done: @escaping (Result<ByteBuffer, HTTPBodyError>) -> Void) {
        let body = pieces.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
        done(body.readableBytes > limit ? .failure(.tooLarge(limit: limit)) : .success(body))
    }

    func receiveBody(_ receive: @escaping (ByteBuffer?) -> Void) {
        for piece in pieces where !isOver { receive(piece) }
        if !isOver { receive(nil) }
    }

    func sendHead(status: Int, headers: [HTTPField]) { self.status = status }
    func write(_ bytes: ByteBuffer) { written += bytes.readableBytesView }
    func finish(trailers: [HTTPField]) { isOver = true }
    func abort() { isOver = true }

    func clientLeaves() {
        guard !isOver else { return }
        isOver = true
        onClientGone?()
    }
}
