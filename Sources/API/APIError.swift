import HTTP
import NIOCore

/// A refusal or failure as OpenAI's clients understand it.
struct APIError: Error, Equatable, Sendable {
    var status: Int
    var message: String
    var type: String
    /// The field at fault, as a path: `messages[1].content`.
    var parameter: String?
    var code: String?
    /// Sent as `Retry-After`.
    var retryAfterSeconds: Int?
    /// false: the same request would fail again. Clients of OpenAI retry every 5xx unless told.
    var mayRetry = true

    /// The client's mistake.
    static func invalid(_ parameter: String?, code: String, _ message: String) -> APIError {
        APIError(
            status: 400, message: message, type: "invalid_request_error", parameter: parameter, code: code)
    }

    /// A field whose meaning Apus would not honour: better refused than silently dropped.
    static func unsupported(_ parameter: String, _ reason: String) -> APIError {
        .invalid(parameter, code: "unsupported_parameter", "\(parameter) is not supported: \(reason).")
    }

    static func notFound(path: String) -> APIError {
        APIError(
            status: 404, message: "There is nothing at \(path.prefix(200)).", type: "not_found_error",
            code: "not_found")
    }

    static func methodNotAllowed(_ method: String, path: String, allowed: [String]) -> APIError {
        APIError(
            status: 405,
            message:
                "\(path.prefix(200)) answers \(allowed.joined(separator: ", ")), but the request is \(method.prefix(20)).",
            type: "invalid_request_error", code: "method_not_allowed")
    }

    /// `{"error":{"message","type","param","code"}}`
    func write(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"error\":{\"message\":")
        buffer.writeJSON(message)
        buffer.writeStaticString(",\"type\":")
        buffer.writeJSON(type)
        buffer.writeStaticString(",\"param\":")
        buffer.writeJSON(parameter)
        buffer.writeStaticString(",\"code\":")
        buffer.writeJSON(code)
        buffer.writeStaticString("}}")
    }

    /// `{"error":"…"}`, as the Open Inference Protocol has it.
    func writeSentence(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"error\":")
        buffer.writeJSON(message)
        buffer.writeStaticString("}")
    }

    var headers: [HTTPField] {
        var headers: [HTTPField] = []
        if let retryAfterSeconds { headers.append(HTTPField("retry-after", String(retryAfterSeconds))) }
        if status == 401 { headers.append(HTTPField("www-authenticate", "Bearer")) }
        if !mayRetry { headers.append(HTTPField("x-should-retry", "false")) }
        return headers
    }
}
