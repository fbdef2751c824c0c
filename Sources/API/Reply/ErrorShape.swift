import NIOCore

/// How a dialect's clients expect errors, by the path that they ask.
enum ErrorShape: Equatable {
    /// `{"error":{"message","type","param","code"}}`
    case openAI
    /// `{"error":"…"}`: the Open Inference Protocol and Ollama.
    case sentence
    /// `{"type":"error","error":{"type","message"}}`
    case anthropic

    /// - Parameter isAnthropic: the client speaks that dialect where a path has two.
    init(path: String, isAnthropic: Bool) {
        switch path {
        case _ where path.hasPrefix("/v2") || path.hasPrefix("/api/"): self = .sentence
        case _ where path == "/v1/messages" || path.hasPrefix("/v1/messages/"): self = .anthropic
        case _ where isAnthropic && (path == "/v1/models" || path.hasPrefix("/v1/models/")): self = .anthropic
        default: self = .openAI
        }
    }
}

extension APIError {
    /// `{"type":"error","error":{"type","message"},"request_id"}`, as Anthropic's clients read it.
    func writeTyped(requestID: String, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"type\":\"error\",\"error\":{\"type\":")
        buffer.writeJSON(anthropicType)
        buffer.writeStaticString(",\"message\":")
        buffer.writeJSON(message)
        buffer.writeStaticString("},\"request_id\":")
        buffer.writeJSON(requestID)
        buffer.writeStaticString("}")
    }

    /// Anthropic's names follow the status.
    private var anthropicType: String {
        switch status {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 408: "timeout_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 503: "overloaded_error"
        case 500...: "api_error"
        default: "invalid_request_error"
        }
    }
}
