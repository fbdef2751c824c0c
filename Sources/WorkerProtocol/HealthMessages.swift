/// The two messages of `grpc.health.v1`.
package enum HealthStatus: Equatable, Sendable {
    case unknown, serving, notServing, serviceUnknown
}

package enum HealthMessages {
    /// - Returns: the service asked for; empty means the server as a whole.
    package static func service(request bytes: RawSpan) throws(WireError) -> String {
        try WireHealthCheckRequest.decoded(from: bytes, limit: 4096).service
    }

    package static func request(service: String) -> [UInt8] {
        var wire = WireHealthCheckRequest()
        wire.service = service
        return wire.encoded()
    }

    package static func response(_ status: HealthStatus) -> [UInt8] {
        var wire = WireHealthCheckResponse()
        switch status {
        case .unknown: wire.status = .unknown
        case .serving: wire.status = .serving
        case .notServing: wire.status = .notServing
        case .serviceUnknown: wire.status = .serviceUnknown
        }
        return wire.encoded()
    }

    /// A status that this version does not know is `.unknown`.
    package static func status(response bytes: RawSpan) throws(WireError) -> HealthStatus {
        switch try WireHealthCheckResponse.decoded(from: bytes, limit: 4096).status {
        case .serving: .serving
        case .notServing: .notServing
        case .serviceUnknown: .serviceUnknown
        case .unknown, .UNRECOGNIZED: .unknown
        }
    }
}
