/// Status codes of gRPC. Source: grpc/grpc doc/statuscodes.md.
package enum GRPCStatusCode: Int, Sendable {
    case ok = 0
    case cancelled, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied
    case resourceExhausted, failedPrecondition, aborted, outOfRange, unimplemented, internalError, unavailable
    case dataLoss, unauthenticated
}

package struct GRPCStatus: Error, Equatable, Sendable {
    package var code: GRPCStatusCode
    package var message: String
    package init(_ code: GRPCStatusCode, _ message: String = "") {
        self.code = code
        self.message = message
    }
}
