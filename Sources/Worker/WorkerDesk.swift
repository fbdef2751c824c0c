import Engine
import HTTP
import Inference
import Models
import NIOCore
import Telemetry
import WorkerProtocol

/// What serves routers and probes on the worker's port. Confined to the worker's event loop.
final class WorkerDesk {
    /// Names under which `grpc.health.v1` is asked: the first two whether routers may send work, the last whether the
    /// process is worth keeping.
    static let readinessServices = ["", "apus.worker.v1.Worker"]
    static let livenessService = "liveness"

    let links: LinkTable
    let probes = GRPCHealth()
    private let eventLoop: any EventLoop
    private let health: WorkerHealth
    private var engine: EngineThread?
    /// The tokenizer's messages, encoded once.
    private var tokenizer: [ByteBuffer] = []
    private var signs = StepSigns()
    private var timer: Scheduled<Void>?

    init(eventLoop: any EventLoop, health: WorkerHealth, tracer: Tracer?) {
        links = LinkTable(eventLoop: eventLoop, health: health, tracer: tracer)
        self.eventLoop = eventLoop
        self.health = health
        look()
    }

    /// From now on routers are served.
    func open(_ engine: EngineThread, tokenizer: [ByteBuffer], routers: Gauge) {
        self.engine = engine
        self.tokenizer = tokenizer
        links.onCount = { routers.set(Double($0)) }
        links.attach(engine)
    }

    func close() {
        updateProbes()
        timer?.cancel()
        links.endAll(GRPCStatus(.unavailable, "The worker has stopped."))
    }

    // MARK: - Health

    /// An engine that hangs, or has a long step to do, says nothing: somebody must look.
    private func look() {
        updateProbes()
        if let engine, engine.signSeconds != nil, signs.look(engine.progress) { links.tellWorking() }
        let interval = TimeAmount.milliseconds(Int64(StepSigns.lookSeconds * 1000))
        timer = eventLoop.assumeIsolated().scheduleTask(in: interval) { [weak self] in self?.look() }
    }

    func updateProbes() {
        let (isReady, isAlive) = (health.isReady, health.isAlive)
        for service in Self.readinessServices { probes.setServing(service, isReady) }
        probes.setServing(Self.livenessService, isAlive)
    }

    // MARK: - Calls

    func handler() -> any HTTPHandler {
        let dispatcher = GRPCDispatcher(messageByteCountMax: WireLimits.messageByteMax)
        probes.register(in: dispatcher)
        dispatcher.handle("/apus.worker.v1.Worker/Link") { [weak self] call in self?.link(call) }
        dispatcher.handle("/apus.worker.v1.Worker/Describe") { [weak self] call in self?.describe(call) }
        dispatcher.handle("/apus.worker.v1.Worker/Tokenizer") { [weak self] call in self?.sendTokenizer(call) }
        return dispatcher
    }

    private func link(_ call: GRPCServerCall) {
        let session = LinkSession(table: links, write: { call.send($0) }, finish: { call.finish($0) })
        call.onMessage = { session.received($0) }
        call.onEnd = { session.end(GRPCStatus(.ok)) }
        call.onCancelled = { _ in session.lost() }
        call.begin()
    }

    private func describe(_ call: GRPCServerCall) {
        call.unary { [weak self] _ in
            guard let engine = self?.engine else { return call.finish(LinkRefusal.loading.status) }
            let description = WorkerDescription(of: engine.model, engine.options, signSeconds: engine.signSeconds)
            call.respond(ByteBuffer(bytes: description.bytes))
        }
    }

    private func sendTokenizer(_ call: GRPCServerCall) {
        call.unary { [weak self] _ in
            guard let self, self.engine != nil else { return call.finish(LinkRefusal.loading.status) }
            for chunk in self.tokenizer { call.send(chunk) }
            call.finish(GRPCStatus(.ok))
        }
    }
}
