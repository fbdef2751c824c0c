import Engine
import HTTP
import Inference
import NIOCore
import Telemetry
import WorkerProtocol

/// Why a router that said hello is not linked.
enum LinkRefusal: Error, Equatable {
    case loading, draining
    case version(WireError)
    case staleEpoch(theirs: UInt64, linked: UInt64)
    case tooManyRouters

    var status: GRPCStatus {
        switch self {
        case .loading: GRPCStatus(.unavailable, "The worker is still loading its model.")
        case .draining: GRPCStatus(.unavailable, "The worker is draining.")
        case .version(let error): GRPCStatus(.failedPrecondition, error.description)
        case .staleEpoch(let theirs, let linked):
            GRPCStatus(
                .failedPrecondition,
                "The router has a link of epoch \(linked), which epoch \(theirs) is not newer than.")
        case .tooManyRouters:
            GRPCStatus(
                .resourceExhausted, "\(WorkerOptions.routersMax) routers are linked; there is no share for more.")
        }
    }
}

/// The routers that are linked, and which number each has in the engine. Confined to one event loop.
///
/// Every link gets a number of its own, never used again: what the engine still says to a link that is gone reaches
/// nobody, and the count of commands begins anew with each.
final class LinkTable {
    private struct Link {
        var session: LinkSession
        var router: String
        var epoch: UInt64
    }

    let eventLoop: any EventLoop
    private let health: WorkerHealth
    private var engine: EngineThread?
    private var links: [Int: Link] = [:]
    private var nextNumber = 0
    /// Called when a router came or went, with their number.
    var onCount: ((Int) -> Void)?
    /// nil where nothing is traced.
    private let spans: SequenceSpans?

    init(eventLoop: any EventLoop, health: WorkerHealth, tracer: Tracer?) {
        self.eventLoop = eventLoop
        self.health = health
        spans = tracer.map { SequenceSpans($0, eventLoop: eventLoop) }
    }

    func attach(_ engine: EngineThread) { self.engine = engine }

    /// Links a router. An older link of the same router ends first, and its sequences with it.
    func link(_ session: LinkSession, _ hello: RouterHello) throws(LinkRefusal) -> (number: Int, version: UInt32) {
        guard health.phase != .draining else { throw .draining }
        guard let engine else { throw .loading }
        let version: UInt32
        do throws(WireError) {
            version = try ProtocolVersion.agreed(with: hello.versions)
        } catch {
            throw .version(error)
        }
        if let older = links.values.first(where: { $0.router == hello.router }) {
            guard hello.epoch > older.epoch else {
                throw .staleEpoch(theirs: hello.epoch, linked: older.epoch)
            }
            older.session.end(GRPCStatus(.aborted, "The router has opened a newer link."))
        }
        guard links.count < WorkerOptions.routersMax else { throw .tooManyRouters }
        let number = nextNumber
        nextNumber += 1
        links[number] = Link(session: session, router: hello.router, epoch: hello.epoch)
        engine.register(router: number)
        onCount?(links.count)
        return (number, version)
    }

    func unlink(_ number: Int) {
        links[number] = nil
        spans?.unlinked(number)
        engine?.unregister(router: number)
        onCount?(links.count)
    }

    /// - Returns: false when the engine takes no more.
    func post(_ command: WorkerCommand, from number: Int) -> Bool {
        guard engine?.post(command, from: number) ?? false else { return false }
        spans?.commanded(command, by: number)
        return true
    }

    /// What one step of the engine said, in order.
    func deliver(_ events: [RoutedEvent]) {
        for (router, event) in events {
            links[router]?.session.send(event)
            spans?.told(event, to: router)
        }
    }

    /// A long step is underway and moves.
    func tellWorking() {
        for link in links.values { link.session.send(.working) }
    }

    func endAll(_ status: GRPCStatus) {
        for link in links.values { link.session.end(status) }
    }
}
