import HTTP
import Inference
import Serving
import Telemetry

/// What a request is, as OpenTelemetry's conventions for generative AI call it (`gen_ai.operation.name`).
enum TraceOperation {
    static let completion = "text_completion"
    private static let chatRoutes: Set = ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/api/chat"]

    static func of(_ request: GenerationRequest, route: String) -> String {
        guard request.pooling == nil else { return "embeddings" }
        return chatRoutes.contains(route) ? "chat" : completion
    }
}

extension APICore {
    /// - Parameter headers: the request's, or a call's metadata.
    /// - Returns: nil where nothing is traced.
    func trace(_ headers: [HTTPField], _ operation: String) -> RequestTrace? {
        guard let sampling = options.traceSampling else { return nil }
        func values(_ name: String) -> [String] { headers.filter { $0.name == name }.map(\.value) }
        let caller = TraceContext(parents: values("traceparent"), states: values("tracestate"))
        let (context, parentID) = sampling.begin(caller: caller, randomWord: surroundings.randomWord)
        return RequestTrace(context: context, parentID: parentID, operation: operation)
    }
}
