import HTTP
import NIOCore
import NIOEmbedded

/// An exchange without a network: holds the request, records the response.
final class RecordingExchange: HTTPExchange {
    let request: HTTPRequestHead
    let loop: EmbeddedEventLoop
    var eventLoop: any EventLoop { loop }
    var onClientGone: (() -> Void)?
    var unsentByteCount = 0

    /// nil: the body never arrives, unless `bodyArrives` is called.
    private var body: Result<[UInt8], HTTPBodyError>?
    private var waiting: (limit: Int, done: (Result<ByteBuffer, HTTPBodyError>) -> Void)?

    private(set) var status: Int?
    private(set) var headers: [HTTPField] = []
    private(set) var written: [UInt8] = []
    private(set) var isFinished = false
    private(set) var isAborted = false
    private(set) var headCount = 0
    private(set) var trailers: [HTTPField] = []

    init(_ request: HTTPRequestHead, body: Result<[UInt8], HTTPBodyError>?, loop: EmbeddedEventLoop) {
        self.request = request
        self.body = body
        self.loop = loop
    }

    func collectBody(limit: Int, _ done: @escaping (Result<ByteBuffer, HTTPBodyError>) -> Void) {
        waiting = (limit, done)
        if let body { bodyArrives(body) }
    }

    func bodyArrives(_ body: Result<[UInt8], HTTPBodyError>) {
        guard let (limit, done) = waiting else { return }
        waiting = nil
        switch body {
        case .success(let bytes) where bytes.count > limit: done(.failure(.tooLarge(limit: limit)))
        case .success(let bytes): done(.success(ByteBuffer(bytes: bytes)))
        case .failure(let error): done(.failure(error))
        }
    }

    /// What reads the body piece by piece: the test calls it.
    private(set) var receive: ((ByteBuffer?) -> Void)?
    func receiveBody(_ receive: @escaping (ByteBuffer?) -> Void) { self.receive = receive }

    func sendHead(status: Int, headers: [HTTPField]) {
        headCount += 1
        self.status = status
        self.headers = headers
    }

    func write(_ bytes: ByteBuffer) { written += bytes.readableBytesView }
    func finish(trailers: [HTTPField]) {
        self.trailers = trailers
        isFinished = true
    }
    func abort() { isAborted = true }

    var text: String { String(decoding: written, as: UTF8.self) }
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}
