import Glibc
package import HTTP
import Inference
package import Logging
package import NIOCore
package import Telemetry

/// Where spans are sent: a collector that speaks OTLP over HTTP.
package struct CollectorAddress: Sendable {
    package var host: String
    package var port: Int
    /// Of the traces' endpoint, such as "/v1/traces".
    package var path: String
    package var isSecure: Bool
    /// Further headers, such as a key of the collector's.
    package var headers: [HTTPField]

    package init(host: String, port: Int, path: String, isSecure: Bool, headers: [HTTPField] = []) {
        self.host = host
        self.port = port
        self.path = path
        self.isSecure = isSecure
        self.headers = headers
    }
}

/// Sends spans to a collector, a batch at a time, by OTLP over HTTP in protocol buffers. Confined to one event loop.
///
/// Never in the way: what it cannot keep it drops and counts. A collector that is away or busy is asked again after a
/// pause; one that refuses a batch is not sent it again. Source: OTLP specification 1.x, sections on OTLP/HTTP.
package final class SpanExporter: SpanReceiver {
    /// How often spans leave that make no batch, and how long a request may take.
    private static let interval = TimeAmount.seconds(1)
    private static let requestTimeout = TimeAmount.seconds(10)

    private let collector: CollectorAddress
    private let resource: SpanResource
    private let eventLoop: any EventLoop
    private let tls: TLSContextBox?
    private let logger: Logger
    private let exported: Counter
    private let droppedFull: Counter
    private let droppedRefused: Counter
    private var queue = SpanQueue()
    private var connection: HTTP1ClientConnection?
    private var isSendingSoon = false
    private var isClosing = false
    private var hasComplained = false
    private var whenSent: [() -> Void] = []

    /// - Parameter tls: for a secure collector.
    package init(
        _ collector: CollectorAddress, resource: SpanResource, eventLoop: any EventLoop, tls: TLSContextBox?,
        metrics: MetricRegistry, logger: Logger
    ) {
        self.collector = collector
        self.resource = resource
        self.eventLoop = eventLoop
        self.tls = tls
        self.logger = logger
        exported = metrics.counter(.spansExported)
        droppedFull = metrics.counter(.spansDropped, labels: ["queue_full"])
        droppedRefused = metrics.counter(.spansDropped, labels: ["refused"])
        look()
    }

    package func spanEnded(_ span: Span) {
        guard queue.append(span) else { return droppedFull.add() }
        guard queue.hasBatch, !isSendingSoon else { return }
        isSendingSoon = true
        eventLoop.assumeIsolated().execute {
            self.isSendingSoon = false
            self.send()
        }
    }

    /// Sends what waits, for as long as the collector takes it, but not for longer than two seconds; then `done` is called.
    package func close(_ done: @escaping () -> Void) {
        isClosing = true
        guard queue.count > 0 else { return finish(done) }
        whenSent.append { self.finish(done) }
        eventLoop.assumeIsolated().scheduleTask(in: .seconds(2)) { self.tellSent() }
        send()
    }

    private func finish(_ done: () -> Void) {
        connection?.close()
        connection = nil
        done()
    }

    private func tellSent() {
        let told = whenSent
        whenSent = []
        for each in told { each() }
    }

    private func look() {
        eventLoop.assumeIsolated().scheduleTask(in: Self.interval) { [weak self] in
            guard let self, !self.isClosing else { return }
            self.send()
            self.look()
        }
    }

    private var now: Instant { Instant(nanoseconds: Int64(clamping: eventLoop.now.uptimeNanoseconds)) }

    private func send() {
        guard let batch = queue.takeBatch(at: now, ignoringPause: isClosing) else { return }
        let body = SpanEncoding.request(batch, from: resource, wallOffset: wallOffset())
        if let connection, connection.isUsable { return post(body, on: connection) }
        var options = HTTPClientOptions()
        options.connectTimeout = .seconds(2)
        let dialled = HTTP1ClientConnection.connect(
            host: collector.host, port: collector.port, eventLoop: eventLoop, tls: tls, options: options)
        dialled.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let connection):
                self.connection = connection
                self.post(body, on: connection)
            case .failure(let error): self.ended(.mayPass, "\(error)")
            }
        }
    }

    private func post(_ body: [UInt8], on connection: HTTP1ClientConnection) {
        let fields = [
            HTTPField("content-type", "application/x-protobuf"), HTTPField("content-length", String(body.count)),
            HTTPField("user-agent", "apus/\(resource.version)"),
        ]
        let head = HTTPRequestHead(
            method: "POST", path: collector.path, query: nil, headers: fields + collector.headers, majorVersion: 1)
        let stream = connection.openStream(head, hasBody: true)
        var (status, askedSeconds) = (Int?.none, 0)
        stream.onHead = { code, headers in
            status = code
            // The form with a date is nobody's here: it would count on two clocks that agree.
            askedSeconds = headers.first { $0.name == "retry-after" }.flatMap { Int($0.value) } ?? 0
        }
        let limit = eventLoop.assumeIsolated().scheduleTask(in: Self.requestTimeout) { stream.cancel() }
        stream.onClosed = { end in
            limit.cancel()
            guard end == .complete, let status else { return self.ended(.mayPass, "the connection was lost (\(end))") }
            self.ended(Self.outcome(status), askedSeconds: askedSeconds, "the collector answered \(status)")
        }
        stream.write(ByteBuffer(bytes: body))
        stream.finish()
    }

    /// The four that the specification lets one ask again after.
    private static func outcome(_ status: Int) -> SpanQueue.Outcome {
        switch status {
        case 200..<300: .taken
        case 429, 502, 503, 504: .mayPass
        default: .refused
        }
    }

    private func ended(_ outcome: SpanQueue.Outcome, askedSeconds: Int = 0, _ why: String) {
        let count = queue.ended(outcome, askedSeconds: askedSeconds, at: now)
        switch outcome {
        case .taken:
            exported.add(count)
            hasComplained = false
        case .refused:
            droppedRefused.add(count)
            complain(why)
        case .mayPass: complain(why)
        }
        if isClosing, queue.count == 0 || outcome == .mayPass { return tellSent() }
        if queue.hasBatch || isClosing { send() }
    }

    /// Once for each time that it goes wrong: a collector that is away for a day is no reason for a day of lines.
    private func complain(_ why: String) {
        guard !hasComplained else { return }
        hasComplained = true
        logger.warning(
            "traces are not taken", metadata: ["collector": "\(collector.host):\(collector.port)", "why": "\(why)"])
    }

    /// Nanoseconds that the wall clock is ahead of the loop's. Read anew for each batch, since wall clocks are set.
    private func wallOffset() -> Int64 {
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        return Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec) - now.nanoseconds
    }
}
