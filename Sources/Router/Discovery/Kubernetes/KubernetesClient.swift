import HTTP
import NIOCore

/// GET requests to the API server, one at a time, on one connection that is kept between them. Confined to its event
/// loop.
final class KubernetesClient {
    /// What is told of one request. Nothing more comes once the next has begun, or after `close`.
    struct Receiver {
        var head: (_ status: Int, _ headers: [HTTPField]) -> Void
        var body: (ByteBuffer) -> Void
        /// The last: nil when the answer is whole, else why it is not.
        var end: (_ failure: String?) -> Void
    }

    private let account: ServiceAccount
    private let eventLoop: any EventLoop
    private var connection: HTTP1ClientConnection?
    private var stream: (any HTTPClientStream)?
    /// Counts requests, so that what comes late of an earlier one is known to be late.
    private var turn: UInt64 = 0

    init(_ account: ServiceAccount, eventLoop: any EventLoop) {
        self.account = account
        self.eventLoop = eventLoop
    }

    /// Gives up the request before, if it still runs. `receiver` hears nothing from inside this call.
    func get(path: String, query: [(name: String, value: String)], _ receiver: Receiver) {
        turn &+= 1
        let mine = turn
        if let stream {
            // It holds the connection.
            stream.cancel()
            dropConnection()
        }
        let text = query.map { "\($0.name)=\(Self.escaped($0.value))" }.joined(separator: "&")
        if let connection, connection.isUsable { return send(path, text, on: connection, mine, receiver) }
        let tls: TLSContextBox
        do throws(ServiceAccount.Problem) { tls = try account.tls() } catch { return fail(mine, receiver, "\(error)") }
        var options = HTTPClientOptions()
        options.connectTimeout = .seconds(5)
        HTTP1ClientConnection.connect(
            host: account.host, port: account.port, eventLoop: eventLoop, tls: tls, options: options
        ).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let connection) where mine == self.turn:
                self.connection = connection
                self.send(path, text, on: connection, mine, receiver)
            case .success(let connection): connection.close()
            case .failure(let error): if mine == self.turn { receiver.end("\(error)") }
            }
        }
    }

    /// Nothing is told any more.
    func close() {
        turn &+= 1
        stream?.cancel()
        dropConnection()
    }

    private func dropConnection() {
        stream = nil
        connection?.close()
        connection = nil
    }

    private func send(
        _ path: String, _ query: String, on connection: HTTP1ClientConnection, _ mine: UInt64, _ receiver: Receiver
    ) {
        let token: String
        do throws(ServiceAccount.Problem) { token = try account.token() } catch {
            return fail(mine, receiver, "\(error)")
        }
        let head = HTTPRequestHead(
            method: "GET", path: path, query: query,
            headers: [
                HTTPField("host", WorkerAddress(host: account.host, port: account.port).description),
                HTTPField("accept", "application/json"), HTTPField("authorization", "Bearer \(token)"),
            ],
            majorVersion: 1)
        let stream = connection.openStream(head, hasBody: false)
        self.stream = stream
        stream.onHead = { status, headers in if mine == self.turn { receiver.head(status, headers) } }
        stream.onBody = { bytes in if mine == self.turn { receiver.body(bytes) } }
        stream.onClosed = { end in
            guard mine == self.turn else { return }
            self.stream = nil
            if end != .complete { self.dropConnection() }
            receiver.end(end == .complete ? nil : "the answer broke off (\(end))")
        }
    }

    private func fail(_ mine: UInt64, _ receiver: Receiver, _ reason: String) {
        eventLoop.assumeIsolated().execute { if mine == self.turn { receiver.end(reason) } }
    }

    /// Source: RFC 3986, section 2.3, for what stays as it is.
    private static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if ServiceRecords.isHostByte(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
