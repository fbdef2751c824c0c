import HTTP
import NIOCore

/// Answers every request in one of several ways, by its path, and writes down what it was asked.
final class RecordingHandler: HTTPHandler {
    /// With their bodies, as far as they came.
    private(set) var requests: [String] = []
    /// Something was answered before its body was there.
    private(set) var answersEarly = false
    /// Exchanges that are neither answered nor told that their client is gone.
    private(set) var openCount = 0

    func handle(_ exchange: any HTTPExchange) {
        let head = exchange.request
        let place = requests.count
        let headers = head.headers.map { $0.name + ":" + $0.value }
        requests.append("\(head.method) \(head.path) \(head.query ?? "-") \(headers)")
        openCount += 1
        exchange.onClientGone = { self.openCount -= 1 }
        switch head.path.prefix(3) {
        case "/ea":
            answersEarly = true
            finish(exchange) { $0.respond(status: 200, headers: [], body: ByteBuffer(string: "early")) }
        case "/st":
            answersEarly = true
            exchange.sendHead(status: 200, headers: [])
            exchange.receiveBody { [unowned exchange] piece in
                if let piece { exchange.write(piece) } else { self.finish(exchange) { $0.finish(trailers: []) } }
            }
        case "/ha": break
        case "/ab":
            finish(exchange) { $0.abort() }
        default:
            exchange.collectBody(limit: 1024) { [unowned exchange] result in
                if case .failure(.incomplete) = result { return }
                self.requests[place] += " \(result.map { Array($0.readableBytesView) })"
                self.finish(exchange) {
                    $0.respond(
                        status: 200, headers: [HTTPField("x-echo", head.header("x-echo") ?? "")],
                        body: (try? result.get()) ?? ByteBuffer())
                }
            }
        }
    }

    private func finish(_ exchange: any HTTPExchange, _ answer: (any HTTPExchange) -> Void) {
        openCount -= 1
        exchange.onClientGone = nil
        answer(exchange)
    }
}
