import HTTP
package import Logging
package import NIOCore

/// Workers behind a Service of Kubernetes, as the cluster's API server knows them: its EndpointSlices, listed page by page,
/// then watched.
///
///     list ──▶ watch ──(ended)──▶ watch from where it ended
///      ▲         │
///      └─ pause ◀┴── anything wrong: no connection, a refusal, 410, an answer that is none, silence
///
/// A list comes anew every few minutes too, whatever the watch says. Only a list can leave no worker at all: an outage of
/// the API server, or a watch that deletes the last slice, changes nothing until a list agrees.
/// Source: Kubernetes documentation, "Kubernetes API Concepts": efficient detection of changes.
package final class KubernetesDiscovery: WorkerDiscovery {
    package struct Options: Sendable {
        package var account: ServiceAccount
        package var namespace: String
        package var service: ServiceReference
        /// Between lists while a watch runs, and up to a fifth more. As long as the API server keeps what happened.
        package var relistSeconds = 300.0
        /// For a page of a list in full, and for a watch to begin.
        package var answerTimeoutSeconds = 30.0
        /// After a failure: at first, and at most. The most is what Kubernetes' own clients wait.
        package var firstPauseSeconds = 0.5
        package var maxPauseSeconds = 30.0
        /// A slice has 100 endpoints as a rule: about 40 KB.
        package var pageItemCount = 100
        package var pageByteCountMax = 16 << 20
        package var eventByteCountMax = 4 << 20
        /// Slices in all: 100,000 workers at 100 each.
        package var sliceCountMax = 1_000

        /// - Throws: where the account's files do not say which namespace is meant.
        package init(account: ServiceAccount, service: ServiceReference) throws(ServiceAccount.Problem) {
            self.account = account
            self.service = service
            if let given = service.namespace { namespace = given } else { namespace = try account.namespace() }
        }
    }

    private let options: Options
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let chance: () -> Double
    private let client: KubernetesClient
    private weak var observer: (any WorkerDiscoveryObserver)?
    private var pool = EndpointPool()
    private var told = EndpointPool.Workers()
    private var backoff: DialBackoff
    /// The next thing to happen if nothing else does: an answer's deadline, or the end of a pause.
    private var timer: Scheduled<Void>?
    private var relistTimer: Scheduled<Void>?
    /// The failure that was logged last; nil since all went well.
    private var complaint: String?

    /// - Parameter chance: uniform in [0, 1).
    package init(
        _ options: Options, eventLoop: any EventLoop, logger: Logger, chance: @escaping () -> Double
    ) {
        self.options = options
        self.eventLoop = eventLoop
        self.chance = chance
        var logger = logger
        logger[metadataKey: "service"] = "\(options.namespace)/\(options.service.name):\(options.service.port)"
        self.logger = logger
        client = KubernetesClient(options.account, eventLoop: eventLoop)
        backoff = DialBackoff(firstSeconds: options.firstPauseSeconds, maxSeconds: options.maxPauseSeconds)
    }

    package func start(_ observer: any WorkerDiscoveryObserver) {
        self.observer = observer
        list()
    }

    package func stop() {
        observer = nil
        rest()
    }

    /// Stops all that is under way.
    private func rest() {
        timer?.cancel()
        relistTimer?.cancel()
        client.close()
    }

    private func schedule(_ seconds: Double, _ work: @escaping () -> Void) -> Scheduled<Void> {
        let delay = TimeAmount.nanoseconds(Int64(max(0, min(seconds, 1e6)) * 1e9))
        return eventLoop.assumeIsolated().scheduleTask(in: delay, work)
    }

    /// Begins anew after a pause. What is known stays known.
    private func fail(_ reason: String, retryAfterSeconds: Double = 0) {
        rest()
        if complaint != reason {
            logger.warning("workers cannot be looked up: those known stay", metadata: ["why": "\(reason)"])
            complaint = reason
        }
        timer = schedule(max(backoff.failed(chance: chance()), retryAfterSeconds)) { self.list() }
    }

    private func refused(_ status: Int, _ headers: [HTTPField]) {
        let seconds = headers.first { $0.name == "retry-after" }.flatMap { Double($0.value) } ?? 0
        let reason =
            switch status {
            case 401: "the API server does not know the token (401)"
            case 403:
                "the API server refuses (403): the service account needs get, list and watch of endpointslices in "
                    + "namespace \(options.namespace)"
            default: "the API server answers \(status)"
            }
        fail(reason, retryAfterSeconds: seconds.isFinite ? min(seconds, 60) : 0)
    }

    private func get(_ query: [(name: String, value: String)], _ receiver: KubernetesClient.Receiver) {
        let label = (name: "labelSelector", value: "kubernetes.io/service-name=\(options.service.name)")
        client.get(
            path: "/apis/discovery.k8s.io/v1/namespaces/\(options.namespace)/endpointslices", query: [label] + query,
            receiver)
    }
}

// Lists.
extension KubernetesDiscovery {
    private func list() {
        rest()
        requestPage(after: nil, with: [])
    }

    private func requestPage(after token: String?, with slices: [EndpointSlice]) {
        timer?.cancel()
        timer = schedule(options.answerTimeoutSeconds) {
            self.fail("no list came within \(self.options.answerTimeoutSeconds) s")
        }
        var body: [UInt8] = []
        let query = [(name: "limit", value: String(options.pageItemCount))]
        get(
            query + (token.map { [(name: "continue", value: $0)] } ?? []),
            .init(
                head: { status, headers in if status != 200 { self.refused(status, headers) } },
                body: { bytes in
                    guard body.count + bytes.readableBytes <= self.options.pageByteCountMax else {
                        return self.fail("a page of the list has more than \(self.options.pageByteCountMax) bytes")
                    }
                    body += bytes.readableBytesView
                },
                end: { failure in
                    if let failure { self.fail(failure) } else { self.pageArrived(body, behind: slices) }
                }))
    }

    private func pageArrived(_ body: [UInt8], behind slices: [EndpointSlice]) {
        let page: EndpointSlicePage
        do throws(KubernetesError) { page = try EndpointSlicePage(body) } catch {
            return fail("the list is not one: \(error)")
        }
        let slices = slices + page.slices
        guard slices.count <= options.sliceCountMax else {
            return fail("the Service has more than \(options.sliceCountMax) slices")
        }
        if let next = page.next {
            guard !page.slices.isEmpty else { return fail("a page of the list is empty and not the last") }
            return requestPage(after: next, with: slices)
        }
        pool.replace(with: slices)
        if complaint != nil { logger.info("workers are looked up again") }
        complaint = nil
        if pool.lacksPort(options.service.port) {
            logger.warning("the Service has endpoints, but none has a TCP port of this name")
        }
        tell(pool.workers(port: options.service.port))
        let seconds = options.relistSeconds * (1 + 0.2 * chance())
        relistTimer = schedule(seconds) { self.list() }
        watch(from: page.resourceVersion)
    }

    private func tell(_ workers: EndpointPool.Workers) {
        guard let observer else { return }
        let before = told
        told = workers
        // New ones first: what leaves may move to them.
        let (new, leaving) = (workers.ready.subtracting(before.ready), workers.leaving.subtracting(before.leaving))
        for address in new.sorted() { observer.workerAppeared(at: address, in: self) }
        for address in leaving.sorted() { observer.workerLeaving(at: address, in: self) }
        let gone = before.ready.union(before.leaving).subtracting(workers.ready).subtracting(workers.leaving)
        for address in gone.sorted() { observer.workerVanished(at: address, in: self) }
    }
}

// Watches.
extension KubernetesDiscovery {
    /// A watch as it runs.
    private final class Watch {
        var lines: LineBuffer
        var resourceVersion: String
        let begin: NIODeadline

        init(_ resourceVersion: String, byteCountMax: Int, begin: NIODeadline) {
            self.resourceVersion = resourceVersion
            lines = LineBuffer(byteCountMax: byteCountMax)
            self.begin = begin
        }
    }

    private func watch(from resourceVersion: String) {
        let watch = Watch(resourceVersion, byteCountMax: options.eventByteCountMax, begin: eventLoop.now)
        timer?.cancel()
        timer = schedule(options.answerTimeoutSeconds) {
            self.fail("no watch began within \(self.options.answerTimeoutSeconds) s")
        }
        get(
            [
                (name: "watch", value: "1"), (name: "allowWatchBookmarks", value: "true"),
                (name: "resourceVersion", value: resourceVersion),
                // A list comes before this ends; it is for the server, should this process be gone without a word.
                (name: "timeoutSeconds", value: String(Int(options.relistSeconds * 1.2) + 60)),
            ],
            .init(
                head: { status, headers in
                    self.timer?.cancel()
                    if status != 200 { self.refused(status, headers) }
                },
                body: { self.bytesArrived($0, of: watch) },
                end: { failure in if let failure { self.fail(failure) } else { self.ended(watch) } }))
    }

    private func bytesArrived(_ bytes: ByteBuffer, of watch: Watch) {
        do {
            for line in try watch.lines.append(bytes) {
                switch try EndpointSliceEvent(line) {
                case .present(let slice):
                    pool.set(slice)
                    watch.resourceVersion = slice.resourceVersion
                case .deleted(let name, let resourceVersion):
                    pool.remove(name)
                    watch.resourceVersion = resourceVersion
                case .bookmark(let resourceVersion): watch.resourceVersion = resourceVersion
                case .failed(let code, let message):
                    return fail("the API server ends the watch with \(code) \(message.prefix(200))")
                }
                backoff.succeeded()
            }
        } catch is LineBuffer.TooLong {
            return fail("an event has more than \(options.eventByteCountMax) bytes")
        } catch {
            return fail("an event is not one: \(error)")
        }
        let workers = pool.workers(port: options.service.port)
        // The last worker goes only by a list.
        if workers.isEmpty, !told.isEmpty { return list() }
        tell(workers)
    }

    /// Servers end watches after some minutes, and proxies before them after one or so.
    private func ended(_ watch: Watch) {
        if eventLoop.now - watch.begin > .seconds(5) { backoff.succeeded() }
        timer?.cancel()
        timer = schedule(backoff.failed(chance: chance())) { self.watch(from: watch.resourceVersion) }
    }
}
