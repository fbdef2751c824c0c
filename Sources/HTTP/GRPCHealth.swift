import NIOCore
import Synchronization

/// The service `grpc.health.v1.Health`: `Check` and `Watch`. Usable from any thread; its state is the process's.
///
/// The empty service name stands for the whole server. Source: grpc doc/health-checking.md.
package final class GRPCHealth: Sendable {
    private struct State {
        var isServing: [String: Bool] = ["": true]
        var watchers: [Int: Watcher] = [:]
        var watcherCount = 0
        var isShutDown = false
    }

    private struct Watcher {
        var service: String
        var call: NIOLoopBound<GRPCServerCall>
    }

    private let state = Mutex(State())

    package init() {}

    package func setServing(_ service: String, _ isServing: Bool) {
        let told = state.withLock { state -> [Watcher] in
            guard !state.isShutDown, state.isServing.updateValue(isServing, forKey: service) != isServing else {
                return []
            }
            return state.watchers.values.filter { $0.service == service }
        }
        for watcher in told {
            watcher.call.eventLoop.execute {
                watcher.call.value.send(Self.response(isServing ? .serving : .notServing))
            }
        }
    }

    /// Nothing serves any more: watchers hear it and their calls end, so that they do not hold up a draining listener.
    package func shutDown() {
        let told = state.withLock { state -> [Watcher] in
            state.isShutDown = true
            for service in state.isServing.keys { state.isServing[service] = false }
            defer { state.watchers = [:] }
            return Array(state.watchers.values)
        }
        for watcher in told {
            watcher.call.eventLoop.execute {
                watcher.call.value.send(Self.response(.notServing))
                watcher.call.value.finish(Self.shuttingDown)
            }
        }
    }

    private static let shuttingDown = GRPCStatus(.unavailable, "the server is shutting down")

    /// Adds both methods to a dispatcher.
    package func register(in dispatcher: GRPCDispatcher) {
        let limits = GRPCMethodLimits.open(messageByteCountMax: OpenCallLimits.healthByteCountMax)
        dispatcher.handle("/grpc.health.v1.Health/Check", limits: limits) { call in self.check(call) }
        dispatcher.handle("/grpc.health.v1.Health/Watch", limits: limits) { call in self.watch(call) }
    }

    private func check(_ call: GRPCServerCall) {
        call.unary { request in
            guard let service = Self.service(request) else {
                return call.finish(GRPCStatus(.invalidArgument, "the request is not a HealthCheckRequest"))
            }
            let status = self.status(service)
            guard status != .serviceUnknown else {
                return call.finish(GRPCStatus(.notFound, "there is no service \(service)"))
            }
            call.respond(Self.response(status))
        }
    }

    /// Answers with the present state and each change of it, until the client goes. A service not known yet may come.
    private func watch(_ call: GRPCServerCall) {
        call.onMessage = { request in
            call.onMessage = nil
            guard let service = Self.service(request) else {
                return call.finish(GRPCStatus(.invalidArgument, "the request is not a HealthCheckRequest"))
            }
            let watcher = Watcher(service: service, call: NIOLoopBound(call, eventLoop: call.eventLoop))
            let key = self.state.withLock { state -> Int? in
                guard !state.isShutDown else { return nil }
                state.watcherCount += 1
                state.watchers[state.watcherCount] = watcher
                return state.watcherCount
            }
            guard let key else { return call.finish(Self.shuttingDown) }
            call.onCancelled = { _ in self.state.withLock { $0.watchers[key] = nil } }
            call.send(Self.response(self.status(service)))
        }
        call.begin(.first)
    }

    private func status(_ service: String) -> ServingStatus {
        state.withLock { state in
            switch state.isServing[service] {
            case true?: .serving
            case false?: .notServing
            case nil: .serviceUnknown
            }
        }
    }

    enum ServingStatus: UInt8 {
        case serving = 1
        case notServing = 2
        case serviceUnknown = 3
    }

    /// HealthCheckResponse: field 1, a varint.
    static func response(_ status: ServingStatus) -> ByteBuffer {
        ByteBuffer(bytes: [0x08, status.rawValue])
    }

    /// HealthCheckRequest: field 1, a string. `nil` when it is not one; other fields are skipped.
    static func service(_ message: ByteBuffer) -> String? {
        var message = message
        var service = ""
        while message.readableBytes > 0 {
            guard let key = varint(&message) else { return nil }
            switch key & 7 {
            case 0:
                guard varint(&message) != nil else { return nil }
            case 1:
                guard message.readSlice(length: 8) != nil else { return nil }
            case 2:
                guard let length = varint(&message), length <= message.readableBytes,
                    let bytes = message.readBytes(length: Int(length))
                else { return nil }
                if key >> 3 == 1 { service = String(decoding: bytes, as: UTF8.self) }
            case 5:
                guard message.readSlice(length: 4) != nil else { return nil }
            default: return nil
            }
        }
        return service
    }

    private static func varint(_ bytes: inout ByteBuffer) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = bytes.readInteger(as: UInt8.self) else { return nil }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
