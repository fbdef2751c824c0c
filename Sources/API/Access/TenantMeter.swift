import Inference
import Serving

/// How much a tenant may still ask for: two allowances that refill evenly, each up to a minute's worth. Tokens of answers
/// are not known beforehand, so that the allowance of tokens may fall below zero; it has to be above to ask again.
final class TenantMeter {
    private var requests: Allowance?
    private var tokens: Allowance?

    struct Allowance {
        var perMinute: Double
        var left: Double
        var at: Int64

        /// - Parameter now: seconds since 1970.
        mutating func refill(_ now: Int64) {
            let passed = Double(min(60, max(0, now - at)))
            left = min(perMinute, left + passed * perMinute / 60)
            at = max(at, now)
        }

        /// Whole seconds until it is above `level`.
        func seconds(until level: Double) -> Int {
            Int(max(1, min(3600, ((level - left) * 60 / perMinute).rounded(.up))))
        }
    }

    func setLimits(requestsPerMinute: Int?, tokensPerMinute: Int?) {
        func limited(_ before: Allowance?, _ limit: Int?) -> Allowance? {
            limit.map { limit in
                let perMinute = Double(max(1, limit))
                return Allowance(
                    perMinute: perMinute, left: min(before?.left ?? perMinute, perMinute), at: before?.at ?? 0)
            }
        }
        requests = limited(requests, requestsPerMinute)
        tokens = limited(tokens, tokensPerMinute)
    }

    /// Takes a request and the tokens of its prompts.
    /// - Throws: 429 with the time until there is enough again; nothing is taken then.
    func take(promptTokens: Int, now: Int64) throws(APIError) {
        requests?.refill(now)
        tokens?.refill(now)
        if let requests, requests.left < 1 {
            throw Self.exhausted("requests", requests.perMinute, after: requests.seconds(until: 1))
        }
        if let tokens, tokens.left <= 0 {
            throw Self.exhausted("tokens", tokens.perMinute, after: tokens.seconds(until: 1))
        }
        requests?.left -= 1
        tokens?.left -= Double(promptTokens)
    }

    func spend(tokenCount: Int) { tokens?.left -= Double(tokenCount) }

    private static func exhausted(_ what: String, _ perMinute: Double, after seconds: Int) -> APIError {
        APIError(
            status: 429,
            message: "Your limit of \(Int(perMinute)) \(what) a minute is used up. Try again in \(seconds) s.",
            type: "rate_limit_error", code: "rate_limit_exceeded", retryAfterSeconds: seconds)
    }
}

/// Counts an answer's tokens against its tenant's allowance, on their way.
final class MeteredReceiver: GenerationReceiver {
    private let receiver: any GenerationReceiver
    private let meter: TenantMeter

    init(_ receiver: any GenerationReceiver, _ meter: TenantMeter) {
        self.receiver = receiver
        self.meter = meter
    }

    func generationProduced(_ event: GenerationEvent) {
        if case .delta(_, _, let tokens, _) = event { meter.spend(tokenCount: tokens.count) }
        receiver.generationProduced(event)
    }
}
