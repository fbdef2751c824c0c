import Configuration
import Foundation
import HTTP
import NIOCore

/// One file over HTTP, through redirects and interruptions. Confined to its event loop, which does nothing else: bytes are
/// written to disk on it, so that a slow disk slows the network down.
final class Download {
    struct Order: Sendable {
        var source: DownloadSource
        /// Path of the file.
        var target: String
        /// SHA-256 that it must have; nil takes what the first server says, if it says anything.
        var digest: [UInt8]?
        var proxies: ProxySettings
    }

    struct Result: Sendable {
        var byteCount: Int
        var digest: [UInt8]
    }

    private static let redirectsMax = 10
    /// In a row without a byte.
    private static let failuresMax = 5
    private static let byteCountMax = 1 << 42
    private static let silenceMax = TimeAmount.seconds(60)

    private let order: Order
    private let eventLoop: any EventLoop
    private let tls: TLSContextBox
    private let part: PartialFile
    private let promise: EventLoopPromise<Result>
    private var progress: DownloadProgress
    /// Of the order, or as the first server tells it.
    private var digest: [UInt8]?
    private var total: Int?
    private var failureCount = 0
    private var countAtFailure = 0
    private var redirectCount = 0
    private var stream: (any HTTPClientStream)?
    private var lastActivity: NIODeadline
    private var isOver = false

    /// - Returns: when the file has its name.
    static func run(_ order: Order, on eventLoop: any EventLoop, stopped: EventLoopFuture<Void>) async throws -> Result
    {
        let promise = eventLoop.makePromise(of: Result.self)
        eventLoop.execute {
            do {
                let download = try Download(order, eventLoop, promise)
                stopped.assumeIsolated().whenSuccess {
                    download.end(.failure(Sentence(description: "Stopped. The same command goes on from here.")))
                }
                download.ask(order.source.url)
                download.watch()
            } catch {
                promise.fail(error)
            }
        }
        return try await promise.futureResult.get()
    }

    private init(_ order: Order, _ eventLoop: any EventLoop, _ promise: EventLoopPromise<Result>) throws {
        self.order = order
        self.eventLoop = eventLoop
        self.promise = promise
        var options = TLSOptions()
        options.protocols = ["http/1.1"]
        tls = try TLSContextBox.client(options)
        part = try PartialFile(target: order.target)
        digest = order.digest
        progress = DownloadProgress(name: order.source.fileName)
        lastActivity = eventLoop.now
    }

    // MARK: - Asking

    private func ask(_ url: URL) {
        guard !isOver, let host = url.host() else { return }
        lastActivity = eventLoop.now
        let proxy = order.proxies.proxy(for: url)
        var options = HTTPClientOptions()
        options.connectTimeout = .seconds(15)
        if url.isSecure { options.proxy = proxy }
        let near = url.isSecure ? nil : proxy
        do {
            // Bytes that nothing would tell from another file's are of no use.
            if part.byteCount > 0, part.validator == nil, digest == nil { try part.restart() }
        } catch {
            return end(.failure(error))
        }
        let offset = part.byteCount
        let head = request(url, through: near)
        HTTP1ClientConnection.connect(
            host: near?.host ?? host, port: near?.port ?? url.effectivePort, eventLoop: eventLoop,
            tls: url.isSecure ? tls : nil, options: options
        ).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let connection): self.send(head, on: connection, url, offset)
            // Who is not trusted now will not be in a second.
            case .failure(let error as HTTPConnectError) where error.isAboutTrust: self.end(.failure(error))
            case .failure(let error): self.failed("\(error)")
            }
        }
    }

    private func request(_ url: URL, through proxy: HTTPProxy?) -> HTTPRequestHead {
        let host = url.host() ?? ""
        let name = host.contains(":") ? "[\(host)]" : host
        let place = url.port.map { "\(name):\($0)" } ?? name
        var fields = [
            HTTPField("host", place), HTTPField("user-agent", "apus/\(ApusVersion.text)"), HTTPField("accept", "*/*"),
            HTTPField("accept-encoding", "identity"),
        ]
        if let token = order.source.token, url.hasSameOrigin(as: order.source.url) {
            fields.append(HTTPField("authorization", "Bearer \(token)"))
        }
        if part.byteCount > 0 {
            fields.append(HTTPField("range", "bytes=\(part.byteCount)-"))
            if let validator = part.validator { fields.append(HTTPField("if-range", validator)) }
        }
        if let authorization = proxy?.authorization {
            fields.append(HTTPField("proxy-authorization", authorization))
        }
        let path = url.path(percentEncoded: true)
        let origin = proxy == nil ? "" : "http://\(place)"
        return HTTPRequestHead(
            method: "GET", path: origin + (path.isEmpty ? "/" : path), query: url.query(percentEncoded: true),
            headers: fields, majorVersion: 1)
    }

    private func send(_ head: HTTPRequestHead, on connection: HTTP1ClientConnection, _ url: URL, _ offset: Int) {
        guard !isOver else { return connection.close() }
        let stream = connection.openStream(head, hasBody: false)
        self.stream = stream
        var answer: DownloadAnswer?
        stream.onHead = { [unowned stream] status, fields in
            guard !(100..<200).contains(status) else { return }
            self.lastActivity = self.eventLoop.now
            self.noteDigest(fields, of: url)
            let read = DownloadAnswer(status: status, fields: fields, offset: offset)
            answer = read
            if !self.takes(read, fields) { stream.cancel() }
        }
        stream.onBody = { [unowned stream] bytes in
            if !self.take(bytes) { stream.cancel() }
        }
        stream.onClosed = { end in
            connection.close()
            self.stream = nil
            self.closed(answer, end, url)
        }
    }

    /// Hugging Face names the SHA-256 of large files in the answer that redirects to them.
    private func noteDigest(_ fields: [HTTPField], of url: URL) {
        guard digest == nil, url.hasSameOrigin(as: order.source.url) else { return }
        let tag = fields.first { $0.name == "x-linked-etag" }?.value.filter { $0 != "\"" }
        if let told = tag.flatMap({ HexDigits.bytes($0) }), told.count == 32 { digest = told }
    }

    // MARK: - Answers

    /// - Returns: whether the body is wanted.
    private func takes(_ answer: DownloadAnswer, _ fields: [HTTPField]) -> Bool {
        do {
            switch answer {
            case .whole(let byteCount):
                total = byteCount
                try part.restart()
                part.note(tag: fields.first { $0.name == "etag" }?.value)
            case .rest(let byteCount): total = byteCount
            case .redirect, .complete, .changed, .tryAgain, .refused: return false
            }
            guard (total ?? 0) <= Self.byteCountMax else {
                throw Sentence(description: "The file has \(total ?? 0) bytes, but \(Self.byteCountMax) are the most.")
            }
            return true
        } catch {
            end(.failure(error))
            return false
        }
    }

    private func take(_ bytes: ByteBuffer) -> Bool {
        guard !isOver else { return false }
        lastActivity = eventLoop.now
        do {
            try part.append(Data(bytes.readableBytesView))
            guard part.byteCount <= total ?? Self.byteCountMax else {
                throw Sentence(
                    description: "The server sends more than the \(total ?? Self.byteCountMax) bytes it may.")
            }
            progress.show(part.byteCount, of: total)
            return true
        } catch {
            end(.failure(error))
            return false
        }
    }

    private func closed(_ answer: DownloadAnswer?, _ end: HTTPStreamEnd, _ url: URL) {
        guard !isOver else { return }
        switch answer {
        case .redirect(let location): redirect(to: location, from: url)
        case .complete: finish()
        case .changed:
            do { try part.restart() } catch { return self.end(.failure(error)) }
            failed("its file has changed")
        case .tryAgain(let why): failed(why)
        case .refused(let why): self.end(.failure(Sentence(description: "\(url.host() ?? ""): \(why).")))
        case .whole, .rest:
            guard end == .complete, total == nil || total == part.byteCount else {
                return failed("the connection was lost after \(part.byteCount) bytes")
            }
            finish()
        case nil: failed("the connection was lost")
        }
    }

    private func redirect(to location: String, from url: URL) {
        redirectCount += 1
        guard redirectCount <= Self.redirectsMax else {
            return end(.failure(Sentence(description: "There are more than \(Self.redirectsMax) redirects.")))
        }
        guard let next = URL(string: location, relativeTo: url)?.absoluteURL, next.isFetchable else {
            return end(.failure(Sentence(description: "The redirect to '\(location.prefix(200))' leads nowhere.")))
        }
        guard next.isSecure || !url.isSecure else {
            return end(
                .failure(Sentence(description: "The redirect to '\(location.prefix(200))' is not encrypted.")))
        }
        ask(next)
    }

    /// Begins anew from the first URL: those that it redirected to may have expired.
    private func failed(_ why: String) {
        guard !isOver else { return }
        failureCount = part.byteCount > countAtFailure ? 1 : failureCount + 1
        countAtFailure = part.byteCount
        let host = order.source.url.host() ?? ""
        guard failureCount <= Self.failuresMax else {
            return end(
                .failure(
                    Sentence(
                        description: "\(host): \(why). What has arrived is kept: the same command goes on from there."))
            )
        }
        progress.say("\(host): \(why); once more")
        redirectCount = 0
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(250 << Int64(failureCount - 1))) {
            self.ask(self.order.source.url)
        }
    }

    private func finish() {
        do {
            end(.success(Result(byteCount: part.byteCount, digest: try part.finish(wanted: digest))))
        } catch let error as PartialFile.WrongDigest {
            end(
                .failure(
                    Sentence(
                        description: "The file has the SHA-256 \(HexDigits.text(error.found)), not "
                            + "\(HexDigits.text(digest ?? [])): it was damaged on its way, or is another. It is deleted."
                    )))
        } catch {
            end(.failure(error))
        }
    }

    private func end(_ result: Swift.Result<Result, any Error>) {
        guard !isOver else { return }
        isOver = true
        stream?.cancel()
        progress.end()
        promise.completeWith(result)
    }

    /// A server that says nothing more is given up.
    private func watch() {
        eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) {
            guard !self.isOver else { return }
            if self.eventLoop.now - self.lastActivity > Self.silenceMax { self.stream?.cancel() }
            self.watch()
        }
    }
}

extension HTTPConnectError {
    fileprivate var isAboutTrust: Bool { if case .tls = self { true } else { false } }
}
