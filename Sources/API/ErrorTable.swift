import HTTP
import Inference

/// Every error of the floors below, in this dialect's words: status, type, code, and whether trying again can help.
enum ErrorTable {
    /// - Parameter promptField: the field that holds the text here (`messages` or `prompt`).
    static func error(_ error: ServeError, promptField: String, options: APIOptions) -> APIError {
        switch error {
        case .invalidRequest(let message, let parameter):
            .invalid(parameter, code: "invalid_value", message)
        case .modelNotFound(let name):
            APIError(
                status: 404, message: "The model \"\(name.prefix(200))\" does not exist here.",
                type: "not_found_error", parameter: "model", code: "model_not_found")
        case .contextExceeded(let promptTokens, let maxTokens, let contextLength):
            .invalid(
                promptField, code: "context_length_exceeded",
                contextSentence(promptTokens, maxTokens, contextLength))
        case .queueFull(let limit, let measure, let share, let retryAfterSeconds):
            APIError(
                status: 429,
                message: "\(subject(share)) (\(limit) \(noun(measure))). Try again in \(retryAfterSeconds) s.",
                type: "rate_limit_error", code: code(share), retryAfterSeconds: retryAfterSeconds)
        case .queueSlow(let expected, let limit, let retryAfterSeconds):
            APIError(
                status: 429,
                message: "The request would wait for \(tenths(min(expected, 3600))) s, more than \(tenths(limit)) s. "
                    + "Try again in \(retryAfterSeconds) s.",
                type: "rate_limit_error", code: "queue_slow", retryAfterSeconds: retryAfterSeconds)
        case .timedOut(let seconds):
            APIError(
                status: 503, message: "The request was given up after \(tenths(seconds)) s.",
                type: "server_error", code: "timeout", retryAfterSeconds: options.retryAfterSeconds)
        case .unavailable(let why):
            APIError(
                status: 503, message: why, type: "server_error", code: "unavailable",
                retryAfterSeconds: options.retryAfterSeconds)
        case .shuttingDown:
            APIError(
                status: 503, message: "The server is shutting down.", type: "server_error", code: "shutting_down",
                retryAfterSeconds: options.retryAfterSeconds)
        case .internalFailure(let what):
            APIError(
                status: 500, message: what, type: "server_error", code: "internal_error", mayRetry: false)
        }
    }

    static func error(_ error: HTTPBodyError) -> APIError {
        switch error {
        case .tooLarge(let limit):
            APIError(
                status: 413, message: "The body is larger than \(limit) bytes.", type: "invalid_request_error",
                code: "body_too_large")
        case .incomplete:
            APIError(
                status: 408, message: "The body did not arrive in full.", type: "invalid_request_error",
                code: "incomplete_body")
        case .refused(let status, let sentence): badHTTP(status: status, sentence)
        }
    }

    /// What no route has seen.
    static func badHTTP(status: Int, _ sentence: String) -> APIError {
        APIError(status: status, message: sentence, type: "invalid_request_error", code: "bad_http")
    }

    private static func subject(_ share: QueueShare) -> String {
        switch share {
        case .all: "The queue is full"
        case .tenant: "Your share of the queue is used up"
        case .model: "The model's share of the queue is used up"
        }
    }

    private static func code(_ share: QueueShare) -> String {
        switch share {
        case .all: "queue_full"
        case .tenant: "tenant_queue_full"
        case .model: "model_queue_full"
        }
    }

    private static func noun(_ measure: QueueMeasure) -> String {
        switch measure {
        case .requests: "requests"
        case .tokens: "prompt tokens"
        case .bytes: "bytes"
        }
    }

    static func error(_ error: ResumeError) -> APIError {
        let header = "Last-Event-ID"
        switch error {
        case .isOff: return .unsupported(header, "this server gives its events no ids")
        case .notAStream:
            return .invalid(header, code: "invalid_value", "\(header) is only allowed when stream is true.")
        case .foreign:
            return .invalid(
                header, code: "invalid_event_id",
                "The \(header) was not given by this cluster for this request of this tenant: the body must "
                    + "be the same to the byte.")
        case .expired(let age, let limit):
            return APIError(
                status: 410, message: "The \(header) is \(age) s old, but a stream can be gone on with for \(limit) s.",
                type: "invalid_request_error", parameter: header, code: "event_id_expired", mayRetry: false)
        case .numericsGone(let model):
            return APIError(
                status: 409,
                message: "No worker of \"\(model)\" computes as those did that made the first part of the stream. "
                    + "Ask without \(header) for a new answer.",
                type: "invalid_request_error", parameter: header, code: "stream_not_resumable", mayRetry: false)
        case .diverged:
            return APIError(
                status: 500, message: "The stream could not be gone on with: the text is not the same again.",
                type: "server_error", parameter: header, code: "stream_diverged", mayRetry: false)
        }
    }

    private static func contextSentence(_ promptTokens: Int, _ maxTokens: Int?, _ contextLength: Int) -> String {
        guard let maxTokens else {
            return "The prompt has \(promptTokens) tokens, but the model's context holds \(contextLength), "
                + "of which one at least is for the answer."
        }
        return "The prompt has \(promptTokens) tokens and up to \(maxTokens) are asked for, but the model's context "
            + "holds \(contextLength)."
    }

    private static func tenths(_ seconds: Double) -> String {
        guard seconds.isFinite, abs(seconds) < 1e9 else { return "too many" }
        return String((seconds * 10).rounded() / 10)
    }
}
