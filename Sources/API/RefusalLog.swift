import HTTP
import Inference
import Logging
import NIOCore
import Serving

/// One line for each request that was refused before the service had it; the service has lines for all others.
///
/// So many a second at most, that nobody fills a disk by asking nonsense; what is left out is counted. Confined to the
/// event loop of the calls.
final class RefusalLog {
    /// 100: more than anybody reads, and 2 MB a minute.
    static let linesPerSecondMax = 100

    private let logger: Logger
    private var secondBegan: NIODeadline?
    private var lineCount = 0
    private var leftOutCount = 0

    /// - Returns: nil where nobody would see the lines: then nothing is gathered for them.
    init?(_ logger: Logger?) {
        guard let logger, logger.logLevel <= .info else { return nil }
        self.logger = logger
    }

    /// - Parameters:
    ///   - status: of the answer, by HTTP; or `grpcStatus`, by gRPC.
    ///   - code: the error's, one of the literals of this room.
    ///   - reason: why there is no request in the first place, without a word of the client's.
    ///   - tenant: empty where it is not known.
    func refused(
        _ origin: RequestOrigin, status: Int? = nil, grpcStatus: Int? = nil, code: String?, reason: String? = nil,
        tenant: String, on loop: any EventLoop
    ) {
        guard takeLine(on: loop) else { return }
        var metadata: Logger.Metadata = [:]
        for (name, value) in origin.fields { metadata[name] = "\(value)" }
        if let status { metadata["status"] = .stringConvertible(status) }
        if let grpcStatus { metadata["grpc_status"] = .stringConvertible(grpcStatus) }
        if let code { metadata["code"] = "\(code)" }
        if let reason { metadata["reason"] = "\(reason)" }
        if !tenant.isEmpty { metadata["tenant"] = "\(RequestOrigin.plain(tenant))" }
        logger.info("request refused", metadata: metadata)
    }

    private func takeLine(on loop: any EventLoop) -> Bool {
        let now = loop.now
        let began = secondBegan.flatMap { now - $0 < .seconds(1) ? $0 : nil } ?? now
        if began != secondBegan { (secondBegan, lineCount) = (began, 0) }
        lineCount += 1
        guard lineCount > Self.linesPerSecondMax else { return true }
        leftOutCount += 1
        if leftOutCount == 1 {
            let log = NIOLoopBound(self, eventLoop: loop)
            loop.scheduleTask(deadline: began + .seconds(1)) { log.value.tellLeftOut() }
        }
        return false
    }

    private func tellLeftOut() {
        logger.info(
            "requests refused without a line each", metadata: ["count": .stringConvertible(leftOutCount)])
        leftOutCount = 0
    }
}

extension APICore {
    /// By what names the client knows a request; nil where no line would tell them.
    /// - Parameters:
    ///   - id: harmless in a line of the log.
    ///   - trace: the request's place in a trace; without one, its caller's.
    ///   - answer: what its answer calls itself.
    func origin(
        id: String?, route: String, trace: RequestTrace?, _ headers: [HTTPField], answer: () -> String? = { nil }
    ) -> RequestOrigin? {
        guard refusalLog != nil else { return nil }
        let parents = trace == nil ? headers.filter { $0.name == "traceparent" }.map(\.value) : []
        return RequestOrigin(
            id: id, route: route, answer: answer(),
            trace: trace?.context.traceID ?? TraceContext(parents: parents, states: [])?.traceID)
    }
}

// Calls of gRPC.
extension APICore {
    /// What the client calls its call, where that is harmless. It is told of none.
    func requestID(of metadata: [HTTPField]) -> String? {
        guard refusalLog != nil else { return nil }
        return metadata.first { $0.name == "x-request-id" }.flatMap { APICall.harmless($0.value) }
    }

    /// Of a call that failed before the service had a request of it.
    func leaveLine(
        method: String, _ metadata: [HTTPField], _ status: GRPCStatusCode, _ code: String? = nil,
        reason: String? = nil, tenant: String, on loop: any EventLoop
    ) {
        guard let refusalLog,
            let origin = origin(id: requestID(of: metadata), route: method, trace: nil, metadata)
        else { return }
        refusalLog.refused(origin, grpcStatus: status.rawValue, code: code, reason: reason, tenant: tenant, on: loop)
    }
}
