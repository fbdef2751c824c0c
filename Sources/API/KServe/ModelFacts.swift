import Inference
import Serving

/// The name of a model and perhaps a version, as paths and messages have them.
struct ModelVersion: Equatable, Sendable {
    /// A model has one version here, as long as it is served: another file is another model.
    static let only = "1"

    var model: String
    /// "": the server chooses.
    var version: String

    init(_ model: String, _ version: String) {
        self.model = model
        self.version = version
    }

    /// - Parameter path: `{model}` or `{model}/versions/{version}`. Models' names may have slashes.
    init(path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[parts.count - 2] == "versions" else {
            self.init(path, "")
            return
        }
        self.init(parts.dropLast(2).joined(separator: "/"), String(parts[parts.count - 1]))
    }

    /// The model that answers a request.
    /// - Throws: 404 when there is no such model or version; 503 before any model is known.
    func find(_ preparation: Preparation) throws(APIError) -> ServedModel {
        let found = try preparation.model(model, promptField: TextInput.text.rawValue)
        try checkVersion()
        return found
    }

    /// The model that is described under the name; throws as above.
    func find(in directory: ModelDirectory, _ options: APIOptions) throws(APIError) -> ServedModel {
        let found: ServedModel
        do { found = try directory.model(model) } catch {
            throw ErrorTable.error(error, promptField: TextInput.text.rawValue, options: options)
        }
        try checkVersion()
        return found
    }

    private func checkVersion() throws(APIError) {
        guard version.isEmpty || version == Self.only else {
            throw APIError(
                status: 404,
                message: "The model \"\(model)\" has version \(Self.only) only, not \"\(version.prefix(64))\".",
                type: "not_found_error", parameter: "model_version", code: "version_not_found")
        }
    }
}

/// What v2 clients are told of the server and of models: the same by REST and by gRPC.
enum ServerFacts {
    static let name = "apus"
    /// Triton's names of what is here beyond the protocol's core.
    static let extensions = [
        "binary_tensor_data", "generate", "model_configuration", "model_repository", "parameters", "statistics",
        "trace",
    ]
    /// What runs a model: Triton's `backend` and `platform`.
    static let platform = "apus"
    static let workersLoad =
        "Models are loaded by workers: start one with \"apus worker MODEL\", or stop it to unload its model."
    static let logsAtStart = "Logging is set when the server starts: see --log-level."
    static let noTraces = "Traces are off: trace_level can only be OFF."

}

extension APIError {
    /// Nothing here does that, whatever the request says.
    static func unimplemented(_ message: String) -> APIError {
        APIError(
            status: 501, message: message, type: "invalid_request_error", code: "unimplemented", mayRetry: false)
    }
}
