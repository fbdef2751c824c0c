import Foundation
import HTTP
import NIOCore
import NIOPosix

/// Keeps so many streams running against an OpenAI-compatible server until so many requests are done (closed loop).
///
/// Confined to one event loop. Prompts are seeded random tokens, so that no prefix is cached, unless asked otherwise.
final class LoadGenerator {
    struct Plan: Sendable {
        var url: URLParts
        var model: String
        var concurrency: Int
        var requests: Int
        var promptTokens: Int
        var outputTokens: Int
        var temperature: Double
        var seed: UInt64
        /// Starts no request after so many seconds; 0 is no limit.
        var seconds: Double
    }

    private let plan: Plan
    private let eventLoop: any EventLoop
    private let done: EventLoopPromise<LoadSummary>
    private var results: [LoadSummary.Request?] = []
    private var running = 0
    private let startedAt = now()

    private init(_ plan: Plan, eventLoop: any EventLoop, done: EventLoopPromise<LoadSummary>) {
        self.plan = plan
        self.eventLoop = eventLoop
        self.done = done
    }

    static func run(_ plan: Plan) async throws -> LoadSummary {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let done = eventLoop.makePromise(of: LoadSummary.self)
        eventLoop.execute {
            let generator = LoadGenerator(plan, eventLoop: eventLoop, done: done)
            for _ in 0..<min(plan.concurrency, plan.requests) { generator.connect() }
        }
        return try await done.futureResult.get()
    }

    private static func now() -> Int64 { Int64(clamping: NIODeadline.now().uptimeNanoseconds) }

    /// One of the streams: its own connection, kept alive between requests.
    /// - Parameter unanswered: the request to begin with: its last connection closed before an answer began.
    private func connect(unanswered: Int? = nil) {
        running += 1
        HTTP1ClientConnection.connect(host: plan.url.host, port: plan.url.port, eventLoop: eventLoop)
            .assumeIsolated().whenComplete { result in
                switch result {
                case .success(let connection):
                    if let unanswered {
                        self.send(unanswered, on: connection, isFresh: true)
                    } else {
                        self.next(on: connection)
                    }
                case .failure(let error):
                    let failed = self.failed("\(error)")
                    if let unanswered { self.results[unanswered] = failed } else { self.results.append(failed) }
                    self.ended()
                }
            }
    }

    private func failed(_ reason: String) -> LoadSummary.Request {
        .init(sentAt: Self.now(), firstAt: nil, gaps: [], outputTokens: 0, digest: 0, error: reason)
    }

    private func next(on connection: HTTP1ClientConnection) {
        let isLate = plan.seconds > 0 && Double(Self.now() - startedAt) / 1e9 >= plan.seconds
        guard results.count < plan.requests, !isLate else {
            connection.close()
            return ended()
        }
        results.append(nil)
        send(results.count - 1, on: connection)
    }

    private func send(_ index: Int, on connection: HTTP1ClientConnection, isFresh: Bool = false) {
        let body = request(index)
        let head = HTTPRequestHead(
            method: "POST", path: "/v1/completions", query: nil,
            headers: [
                HTTPField("content-type", "application/json"),
                HTTPField("content-length", String(body.readableBytes)),
            ], majorVersion: 1)
        let stream = connection.openStream(head, hasBody: true)
        let reader = AnswerReader(sentAt: Self.now())
        stream.onHead = { status, _ in reader.status = status }
        stream.onBody = { reader.read($0, at: Self.now()) }
        stream.onClosed = { end in
            // A server may close a connection after any answer, just as the next request sets out.
            let isUnanswered = end == .refused || end == .connectionLost && reader.status == 0
            let unanswered = isUnanswered && !isFresh ? index : nil
            if unanswered == nil { self.results[index] = reader.result(end) }
            if connection.isUsable {
                self.next(on: connection)
            } else {
                self.running -= 1
                self.connect(unanswered: unanswered)
            }
        }
        stream.write(body)
        stream.finish()
    }

    private func ended() {
        running -= 1
        guard running == 0 else { return }
        done.succeed(
            LoadSummary(
                target: "http://\(plan.url.host):\(plan.url.port)", concurrency: plan.concurrency,
                promptTokens: plan.promptTokens, outputTokens: plan.outputTokens,
                durationSeconds: Double(Self.now() - startedAt) / 1e9, requests: results.compactMap { $0 }))
    }

    /// Request `index` is the same in every run with the same seed.
    private func request(_ index: Int) -> ByteBuffer {
        var tokens = SeededTokens(state: plan.seed &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15)
        let prompt = (0..<plan.promptTokens).map { _ in String(1000 + tokens.next(below: 20_000)) }
            .joined(separator: ",")
        return ByteBuffer(
            string: """
                {"model":"\(plan.model)","prompt":[\(prompt)],"max_tokens":\(plan.outputTokens),"ignore_eos":true,\
                "temperature":\(plan.temperature),"seed":\(index),"stream":true,"stream_options":{"include_usage":true}}
                """)
    }
}

/// Reads one streamed answer as it comes.
private final class AnswerReader {
    var status = 0
    private let sentAt: Int64
    private var firstAt: Int64?
    private var lastAt: Int64 = 0
    private var gaps: [Int64] = []
    private var lines = EventLines()
    private var digest = Digest()
    private var outputTokens = 0
    private var isComplete = false
    private var error: String?

    init(sentAt: Int64) {
        self.sentAt = sentAt
    }

    func read(_ bytes: ByteBuffer, at now: Int64) {
        guard status == 200 else {
            error = "status \(status): \(String(buffer: bytes).prefix(200))"
            return
        }
        for payload in lines.append(bytes) {
            if payload.elementsEqual("[DONE]".utf8) {
                isComplete = true
                continue
            }
            guard let json = try? JSONSerialization.jsonObject(with: Data(payload)) as? [String: Any] else {
                error = "an event is not JSON"
                continue
            }
            if let problem = json["error"] { error = "\(problem)" }
            if let usage = json["usage"] as? [String: Any], let count = usage["completion_tokens"] as? Int {
                outputTokens = count
            }
            let choice = (json["choices"] as? [[String: Any]])?.first
            guard let text = choice?["text"] as? String, !text.isEmpty else { continue }
            for byte in text.utf8 { digest.add(byte) }
            if firstAt == nil { firstAt = now } else { gaps.append(now - lastAt) }
            lastAt = now
        }
    }

    func result(_ end: HTTPStreamEnd) -> LoadSummary.Request {
        let problem = error ?? (isComplete ? nil : "the stream ended early (\(end), status \(status))")
        return .init(
            sentAt: sentAt, firstAt: firstAt, gaps: gaps, outputTokens: outputTokens, digest: digest.value,
            error: problem)
    }
}
