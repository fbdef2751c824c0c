import HTTP
import JSON
import NIOCore
import Serving

/// Triton's repository extension: which models there are, and loading and unloading them. What REST and gRPC share.
enum RepositoryChange {
    case load, unload

    /// Neither names a file nor brings one: what can be loaded is the operator's list.
    static let noOverrides = "how a model is loaded is what the server's list of models says"

    /// - Parameter done: called once on the event loop, perhaps from inside this call.
    func carryOut(_ model: String, by core: APICore, done: @escaping (APIError?) -> Void) {
        guard let repository = core.repository else { return done(.unimplemented(ServerFacts.workersLoad)) }
        let answer = { (error: RepositoryError?) in done(error.map { APIError($0) }) }
        switch self {
        case .load: repository.load(model, done: answer)
        case .unload: repository.unload(model, done: answer)
        }
    }
}

extension APIError {
    init(_ error: RepositoryError) {
        switch error {
        case .unknownModel(let name):
            self.init(
                status: 404, message: "The model \"\(name.prefix(200))\" is not in this server's list of models.",
                type: "not_found_error", parameter: "model", code: "model_not_found")
        case .unloading(let name):
            self.init(
                status: 503, message: "The model \"\(name)\" is being unloaded. Try again when it is.",
                type: "server_error", code: "unavailable", retryAfterSeconds: 1)
        case .failed(let name, let why):
            self.init(
                status: 500, message: "The model \"\(name)\" is not loaded: \(why)", type: "server_error",
                code: "model_not_loaded", mayRetry: false)
        }
    }
}

enum RepositoryEndpoints {
    static func index(_ call: APICall) {
        call.withBody(checksType: false) { (body, _) throws(APIError) in
            body.isEmpty ? false : try FieldReader.body(body).bool("ready") ?? false
        } then: { onlyReady in
            call.respond { body in
                body.writeJSONList(call.core.repositoryIndex(onlyReady: onlyReady)) { body, row in
                    body.writeStaticString("{\"name\":")
                    body.writeJSON(row.name)
                    body.writeStaticString(",\"version\":")
                    body.writeJSON(ModelVersion.only)
                    body.writeStaticString(",\"state\":")
                    body.writeJSON(row.state.rawValue)
                    body.writeStaticString(",\"reason\":")
                    body.writeJSON(row.reason)
                    body.writeStaticString("}")
                }
            }
        }
    }

    /// Answers when it is done, with an empty body.
    static func change(_ call: APICall, _ change: RepositoryChange) {
        call.withBody(checksType: false) { (body, _) throws(APIError) in
            guard !body.isEmpty, change == .load else { return }
            if case .object(let parameters)? = try FieldReader.body(body).value("parameters"),
                !parameters.members.isEmpty
            {
                throw .unsupported("parameters", RepositoryChange.noOverrides)
            }
        } then: {
            change.carryOut(call.id, by: call.core) { error in
                if let error { call.refuse(error) } else { call.respond(body: ByteBuffer()) }
            }
        }
    }
}
