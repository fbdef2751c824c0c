package import NIOCore

/// Finds the method of a gRPC call and hands other requests on. One per event loop.
package final class GRPCDispatcher: HTTPHandler {
    private struct Method {
        var limits: GRPCMethodLimits
        var serve: (GRPCServerCall) -> Void
    }

    private struct CallsKey: Hashable {
        var path: String
        var connection: ObjectIdentifier
    }

    private var methods: [String: Method] = [:]
    /// Calls that are open, of methods that limit them.
    private var openCounts: [CallsKey: Int] = [:]
    private let fallback: (any HTTPHandler)?
    private let messageByteCountMax: Int

    /// `fallback` serves requests on the same port that are not gRPC; without it they get 415.
    package init(fallback: (any HTTPHandler)? = nil, messageByteCountMax: Int = 8 << 20) {
        self.fallback = fallback
        self.messageByteCountMax = messageByteCountMax
    }

    /// `path` is "/package.Service/Method". The closure sets the call's callbacks and begins it, or finishes it. Without
    /// limits of its own a method has the dispatcher's.
    package func handle(
        _ path: String, limits: GRPCMethodLimits? = nil, _ serve: @escaping (GRPCServerCall) -> Void
    ) {
        methods[path] = Method(
            limits: limits ?? GRPCMethodLimits(messageByteCountMax: messageByteCountMax), serve: serve)
    }

    package func handle(_ exchange: any HTTPExchange) {
        guard exchange.request.majorVersion == 2, GRPCFraming.isGRPC(exchange.request.header("content-type")) else {
            if let fallback { return fallback.handle(exchange) }
            exchange.sendHead(status: 415, headers: [HTTPField("content-length", "0")])
            return exchange.finish(trailers: [])
        }
        let method = methods[exchange.request.path]
        let limits = method?.limits ?? GRPCMethodLimits(messageByteCountMax: messageByteCountMax)
        let call = GRPCServerCall(exchange, limits: limits)
        guard exchange.request.method == "POST" else {
            return call.finish(GRPCStatus(.internalError, "gRPC calls use POST"))
        }
        guard let method else {
            return call.finish(GRPCStatus(.unimplemented, "there is no method \(exchange.request.path)"))
        }
        if let timeout = exchange.request.header("grpc-timeout"), GRPCFraming.timeout(timeout) == nil {
            return call.finish(GRPCStatus(.internalError, "the grpc-timeout is malformed"))
        }
        guard count(call, exchange, limits) else {
            return call.finish(
                GRPCStatus(
                    .resourceExhausted,
                    "a connection may have \(limits.callCountMax) calls of \(call.path) open at once"))
        }
        method.serve(call)
    }

    package func refused(status: Int, sentence: String, on eventLoop: any EventLoop) {
        fallback?.refused(status: status, sentence: sentence, on: eventLoop)
    }

    /// - Returns: false when the connection has as many calls of the method as it may.
    private func count(_ call: GRPCServerCall, _ exchange: any HTTPExchange, _ limits: GRPCMethodLimits) -> Bool {
        guard limits.callCountMax < .max, let connection = exchange.connection else { return true }
        let key = CallsKey(path: call.path, connection: connection)
        let count = openCounts[key, default: 0]
        guard count < limits.callCountMax else { return false }
        openCounts[key] = count + 1
        call.onOver = { [weak self] in
            guard let self, let count = self.openCounts[key] else { return }
            self.openCounts[key] = count > 1 ? count - 1 : nil
        }
        return true
    }
}
