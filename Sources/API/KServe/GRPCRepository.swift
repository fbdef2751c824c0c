import HTTP
import InferenceProtocol
import NIOCore
import SwiftProtobuf

/// Triton's repository extension by gRPC.
extension GRPCInferenceService {
    func registerRepository(in dispatcher: GRPCDispatcher) {
        let core = core
        unary("RepositoryIndex", .both, in: dispatcher) { (request: WireRepositoryIndexRequest) in
            WireRepositoryIndexResponse.with { response in
                response.models = core.repositoryIndex(onlyReady: request.ready).map { row in
                    .with {
                        $0.name = row.name
                        $0.version = ModelVersion.only
                        $0.state = row.state.rawValue
                        $0.reason = row.reason
                    }
                }
            }
        }
        change(.load, "RepositoryModelLoad", in: dispatcher) {
            (request: WireRepositoryModelLoadRequest) throws(APIError) -> String in
            guard request.parameters.isEmpty else {
                throw .unsupported("parameters", RepositoryChange.noOverrides)
            }
            return request.modelName
        } answer: {
            WireRepositoryModelLoadResponse()
        }
        change(.unload, "RepositoryModelUnload", in: dispatcher) { (request: WireRepositoryModelUnloadRequest) in
            request.modelName
        } answer: {
            WireRepositoryModelUnloadResponse()
        }
    }

    /// - Parameter name: the model that a request is about.
    private func change<Request: Message, Response: Message>(
        _ change: RepositoryChange, _ method: String, in dispatcher: GRPCDispatcher,
        _ name: @escaping (Request) throws(APIError) -> String, answer: @escaping () -> Response
    ) {
        let core = core
        handle(method, .admin, in: dispatcher) { call, _, ended in
            var isOver = false
            func finish(_ status: GRPCStatus, _ reason: String? = nil) {
                guard !isOver else { return }
                isOver = true
                ended(status.code, reason)
                call.finish(status)
            }
            call.onCancelled = { status in
                guard !isOver else { return }
                isOver = true
                ended(status.code, status.message)
            }
            call.unary { bytes in
                let request: Request
                do throws(GRPCStatus) { request = try GRPCMessages.decode(bytes) } catch {
                    return finish(error, error.message)
                }
                let model: String
                do throws(APIError) { model = try name(request) } catch { return finish(GRPCStatus(error)) }
                change.carryOut(model, by: core) { error in
                    guard !isOver else { return }
                    if let error { return finish(GRPCStatus(error)) }
                    call.send(GRPCMessages.encode(answer()))
                    finish(GRPCStatus(.ok))
                }
            }
        }
    }
}
