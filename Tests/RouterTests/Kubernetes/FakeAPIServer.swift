import Foundation
import HTTP
import Logging
import NIOCore
import NIOPosix
import TestSupport

@testable import Router

/// A Service as a test knows it, and an API server that tells of it: HTTPS, pages, watches, and all that can go wrong.
/// Confined to its event loop.
final class FakeAPIServer: HTTPHandler {
    struct Endpoint: Equatable {
        var host: String
        var ready: Bool?
        var terminating: Bool?
    }

    /// What the server does to every request until told otherwise.
    enum Fault: CaseIterable {
        /// Does not answer.
        case silent
        /// Stops in the middle of a body.
        case stalls
        /// Closes in the middle of a body.
        case breaksOff
        case refuses403, fails500, says429
        /// 200, and what is no list and no event.
        case garbage
        /// Well-formed, and of another kind.
        case otherKind
        /// Every version and every token is too old.
        case gone
    }

    private(set) var slices: [String: [Endpoint]] = [:]
    var fault: Fault?
    /// Whether too old a version is told by a status, or by an event.
    var tellsGoneByEvent = false
    var token = "token-1"
    private(set) var listCount = 0
    private(set) var watchCount = 0
    private(set) var refusedTokenCount = 0
    private(set) var queries: [String] = []
    private var revision = 100
    private var oldest = 100
    private var history: [(revision: Int, line: String)] = []
    private var snapshots: [Int: [String]] = [:]
    private var watchers: [any HTTPExchange] = []
    private var held: [any HTTPExchange] = []

    // MARK: What the test does

    func set(_ name: String, _ endpoints: [Endpoint]) {
        revision += 1
        let type = slices[name] == nil ? "ADDED" : "MODIFIED"
        slices[name] = endpoints
        publish(#"{"type":"\#(type)","object":\#(json(name, endpoints))}"#)
    }

    func remove(_ name: String) {
        guard let last = slices.removeValue(forKey: name) else { return }
        revision += 1
        publish(#"{"type":"DELETED","object":\#(json(name, last))}"#)
    }

    /// Changes that no watch tells of.
    func setSilently(_ name: String, _ endpoints: [Endpoint]) { slices[name] = endpoints }

    func bookmark() {
        write(
            #"{"type":"BOOKMARK","object":{"kind":"EndpointSlice","metadata":{"resourceVersion":"\#(revision)"}}}"#,
            to: watchers)
    }

    func forgetHistory() {
        oldest = revision
        history = []
        snapshots = [:]
    }

    func endWatches(cleanly: Bool) {
        for watcher in watchers { if cleanly { watcher.finish(trailers: []) } else { watcher.abort() } }
        watchers = []
    }

    var expected: EndpointPool.Workers {
        let all = slices.values.flatMap(\.self)
        func addresses(_ endpoints: [Endpoint]) -> Set<WorkerAddress> {
            Set(endpoints.map { WorkerAddress(host: $0.host, port: 8101) })
        }
        let ready = addresses(all.filter { $0.terminating != true && $0.ready != false })
        return .init(ready: ready, leaving: addresses(all.filter { $0.terminating == true }).subtracting(ready))
    }

    // MARK: Answers

    private func publish(_ line: String) {
        history.append((revision, line))
        if fault == nil { write(line, to: watchers) } else { endWatches(cleanly: false) }
    }

    private func write(_ line: String, to exchanges: [any HTTPExchange]) {
        for exchange in exchanges { exchange.write(ByteBuffer(string: line + "\n")) }
    }

    func handle(_ exchange: any HTTPExchange) {
        let query = exchange.request.query ?? ""
        queries.append(query)
        guard exchange.request.header("authorization") == "Bearer \(token)" else {
            refusedTokenCount += 1
            return answer(exchange, 401, #"{"kind":"Status","code":401}"#)
        }
        guard exchange.request.path == "/apis/discovery.k8s.io/v1/namespaces/apus/endpointslices",
            query.contains("labelSelector=kubernetes.io%2Fservice-name%3Dapus-worker")
        else { return answer(exchange, 404, "{}") }
        let parameters = Dictionary(
            query.split(separator: "&").map { pair in
                let halves = pair.split(separator: "=", maxSplits: 1)
                return (String(halves[0]), String(halves.last ?? ""))
            }, uniquingKeysWith: { $1 })
        let isWatch = parameters["watch"] == "1"
        if isWatch { watchCount += 1 } else { listCount += 1 }
        if let fault { return misbehave(fault, exchange, isWatch: isWatch) }
        if isWatch {
            watch(exchange, from: Int(parameters["resourceVersion"] ?? "") ?? 0)
        } else {
            list(exchange, limit: Int(parameters["limit"] ?? "") ?? 1, token: parameters["continue"])
        }
    }

    private func misbehave(_ fault: Fault, _ exchange: any HTTPExchange, isWatch: Bool) {
        switch fault {
        case .silent: held.append(exchange)
        case .stalls, .breaksOff:
            exchange.sendHead(status: 200, headers: [])
            exchange.write(ByteBuffer(string: #"{"kind":"EndpointSliceList","metad"#))
            if fault == .stalls {
                held.append(exchange)
            } else {
                exchange.eventLoop.assumeIsolated().execute { exchange.abort() }
            }
        case .refuses403: answer(exchange, 403, #"{"kind":"Status","code":403}"#)
        case .fails500: answer(exchange, 500, "oops")
        case .says429: answer(exchange, 429, "", [HTTPField("retry-after", "0")])
        case .garbage: answer(exchange, 200, "}{\n")
        case .otherKind: answer(exchange, 200, #"{"kind":"Status","apiVersion":"v1","metadata":{},"items":[]}"# + "\n")
        case .gone: gone(exchange, isWatch: isWatch)
        }
    }

    private func gone(_ exchange: any HTTPExchange, isWatch: Bool) {
        guard isWatch, tellsGoneByEvent else { return answer(exchange, 410, #"{"kind":"Status","code":410}"#) }
        answer(exchange, 200, #"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"# + "\n")
    }

    private func watch(_ exchange: any HTTPExchange, from version: Int) {
        guard version >= oldest else { return gone(exchange, isWatch: true) }
        exchange.sendHead(status: 200, headers: [])
        for event in history where event.revision > version { write(event.line, to: [exchange]) }
        exchange.onClientGone = { self.watchers.removeAll { $0 === exchange } }
        watchers.append(exchange)
    }

    private func list(_ exchange: any HTTPExchange, limit: Int, token: String?) {
        var (version, offset) = (revision, 0)
        if let token {
            let parts = token.split(separator: ".").compactMap { Int($0) }
            guard parts.count == 2, snapshots[parts[0]] != nil else { return gone(exchange, isWatch: false) }
            (version, offset) = (parts[0], parts[1])
        } else {
            snapshots[version] = slices.sorted { $0.key < $1.key }.map { json($0.key, $0.value) }
        }
        let all = snapshots[version] ?? []
        let page = all.dropFirst(offset).prefix(limit)
        let next = offset + limit < all.count ? #","continue":"\#(version).\#(offset + limit)""# : ""
        let items = page.isEmpty ? "null" : "[\(page.joined(separator: ","))]"
        answer(
            exchange, 200,
            #"{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","metadata":{"resourceVersion":"\#(version)"\#(next)},"#
                + #""items":\#(items)}"#)
    }

    private func answer(
        _ exchange: any HTTPExchange, _ status: Int, _ body: String, _ headers: [HTTPField] = []
    ) {
        exchange.respond(status: status, headers: headers, body: ByteBuffer(string: body))
    }

    private func json(_ name: String, _ endpoints: [Endpoint]) -> String {
        func text(_ value: Bool?) -> String { value.map { String($0) } ?? "null" }
        let list = endpoints.map { endpoint in
            #"{"addresses":["\#(endpoint.host)"],"conditions":{"ready":\#(text(endpoint.ready)),"#
                + #""serving":true,"terminating":\#(text(endpoint.terminating))}}"#
        }
        return #"{"metadata":{"name":"\#(name)","namespace":"apus","resourceVersion":"\#(revision)"},"#
            + #""addressType":"IPv4","ports":[{"name":"link","port":8101,"protocol":"TCP"},"#
            + #"{"name":"metrics","port":8102}],"endpoints":[\#(list.joined(separator: ","))]}"#
    }
}

/// A discovery, the server it asks over TLS, and who is told; all on one event loop.
final class KubernetesRig: Sendable {
    struct Parts {
        let server: FakeAPIServer
        let discovery: KubernetesDiscovery
        let observer: RecordingObserver
    }

    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let listener: HTTPListener
    let account: ServiceAccount
    private let parts: NIOLoopBound<Parts>
    private let folder: URL

    /// - Parameter prepare: before the discovery starts.
    init(
        files: TestCertificates, authority: String = "ca", relistSeconds: Double = 300,
        prepare: @escaping @Sendable (FakeAPIServer) -> Void
    ) async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "apus-account-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data("token-1\n".utf8).write(to: folder.appending(path: "token"))
        try Data("apus".utf8).write(to: folder.appending(path: "namespace"))
        try FileManager.default.copyItem(
            atPath: files.path("\(authority).pem"), toPath: folder.appending(path: "ca.crt").path)
        let loop = group.next()
        let server = try await loop.submit { NIOLoopBound(FakeAPIServer(), eventLoop: loop) }.get()
        listener = try await HTTPListener.bind(
            host: "127.0.0.1", port: 0, group: group,
            tls: try .server(TLSOptions(certificateFile: files.path("server.pem"), keyFile: files.path("server.key")))
        ) { _ in server.value }
        account = ServiceAccount(host: "127.0.0.1", port: listener.port, folder: folder.path)
        var options = try KubernetesDiscovery.Options(
            account: account, service: try ServiceReference("apus-worker:link"))
        options.answerTimeoutSeconds = 0.2
        options.firstPauseSeconds = 0.001
        options.maxPauseSeconds = 0.02
        options.pageItemCount = 2
        options.relistSeconds = relistSeconds
        let chosen = options
        parts = try await loop.submit {
            prepare(server.value)
            var random = SeededRandom(seed: 1)
            let discovery = KubernetesDiscovery(
                chosen, eventLoop: loop, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                chance: { Double(random.below(1000)) / 1000 })
            let observer = RecordingObserver()
            discovery.start(observer)
            return NIOLoopBound(
                Parts(server: server.value, discovery: discovery, observer: observer), eventLoop: loop)
        }.get()
    }

    func write(token: String) throws { try Data(token.utf8).write(to: folder.appending(path: "token")) }

    func onLoop<Answer: Sendable>(_ body: @escaping @Sendable (Parts) -> Answer) async throws -> Answer {
        let parts = parts
        return try await group.next().submit { body(parts.value) }.get()
    }

    /// Looks again until it holds; the suite's time limit ends it.
    func until(_ holds: @escaping @Sendable (Parts) -> Bool) async throws {
        while try await !onLoop(holds) { try await Task.sleep(for: .milliseconds(1)) }
    }

    /// Waits until what was told is what the server knows.
    func settle() async throws {
        try await until { parts in
            let expected = parts.server.expected
            return parts.observer.present == expected.ready && parts.observer.leaving == expected.leaving
        }
    }

    func stop() async throws {
        _ = try await onLoop { $0.discovery.stop() }
        await listener.close()
        try await group.shutdownGracefully()
        try FileManager.default.removeItem(at: folder)
    }
}
