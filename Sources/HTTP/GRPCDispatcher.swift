/// Finds the method of a gRPC call and hands other requests on. One per event loop.
package final class GRPCDispatcher: HTTPHandler {
    private var methods: [String: (GRPCServerCall) -> Void] = [:]
    private let fallback: (any HTTPHandler)?
    private let messageByteCountMax: Int

    /// `fallback` serves requests on the same port that are not gRPC; without it they get 415.
    package init(fallback: (any HTTPHandler)? = nil, messageByteCountMax: Int = 8 << 20) {
        self.fallback = fallback
        self.messageByteCountMax = messageByteCountMax
    }

    /// `path` is "/package.Service/Method". The closure sets the call's callbacks and begins it, or finishes it.
    package func handle(_ path: String, _ method: @escaping (GRPCServerCall) -> Void) {
        methods[path] = method
    }

    package func handle(_ exchange: any HTTPExchange) {
        guard exchange.request.majorVersion == 2, GRPCFraming.isGRPC(exchange.request.header("content-type")) else {
            if let fallback { return fallback.handle(exchange) }
            exchange.sendHead(status: 415, headers: [HTTPField("content-length", "0")])
            return exchange.finish(trailers: [])
        }
        let call = GRPCServerCall(exchange, messageByteCountMax: messageByteCountMax)
        guard exchange.request.method == "POST" else {
            return call.finish(GRPCStatus(.internalError, "gRPC calls use POST"))
        }
        guard let method = methods[exchange.request.path] else {
            return call.finish(GRPCStatus(.unimplemented, "there is no method \(exchange.request.path)"))
        }
        if let timeout = exchange.request.header("grpc-timeout"), GRPCFraming.timeout(timeout) == nil {
            return call.finish(GRPCStatus(.internalError, "the grpc-timeout is malformed"))
        }
        method(call)
    }
}
