import Inference
import Serving

/// How much a tenant may still ask for. Requests and tokens of a minute are allowances that refill evenly, each up to a
/// minute's worth; tokens of a day are counted from midnight on. Tokens of answers are not known beforehand, so that more
/// than there is may be used up; there has to be something left to ask again.
final class TenantMeter {
    private static let secondsPerDay: Int64 = 86_400

    private var limits = TenantLimits()
    private var requests: Allowance?
    private var tokens: Allowance?
    /// Days since 1970, and the tokens that were used on that day.
    private var today = (day: Int64.min, tokenCount: 0)
    private var underway = 0

    /// Two clocks: one that goes evenly, whatever is done to the other, and one that knows when a day ends.
    struct Time {
        /// Seconds since some moment; never fewer than before.
        var steady: Int64
        /// Seconds since 1970.
        var unix: Int64
    }

    private struct Allowance {
        var perMinute: Double
        var left: Double
        /// Steady seconds; nil while it is whole.
        var at: Int64?

        mutating func refill(_ now: Int64) {
            let passed = Double(min(60, now - (at ?? now)))
            left = min(perMinute, left + passed * perMinute / 60)
            at = now
        }

        /// Whole seconds until it is above `level`.
        func seconds(until level: Double) -> Int {
            Int(max(1, min(3600, ((level - left) * 60 / perMinute).rounded(.up))))
        }
    }

    func setLimits(_ limits: TenantLimits) {
        func limited(_ before: Allowance?, _ limit: Int?) -> Allowance? {
            limit.map { limit in
                let perMinute = Double(max(1, limit))
                return Allowance(
                    perMinute: perMinute, left: min(before?.left ?? perMinute, perMinute), at: before?.at)
            }
        }
        self.limits = limits
        requests = limited(requests, limits.requestsPerMinute)
        tokens = limited(tokens, limits.tokensPerMinute)
    }

    /// Takes a request, before anything is read of it.
    /// - Throws: 429 with the time until there is enough again; nothing is taken then.
    func takeRequest(now: Time) throws(APIError) {
        requests?.refill(now.steady)
        if let requests, let limit = limits.requestsPerMinute, requests.left < 1 {
            throw Self.exhausted(
                "\(limit) requests a minute", code: "rate_limit_exceeded", after: requests.seconds(until: 1))
        }
        try checkTokens(now: now)
        requests?.left -= 1
    }

    /// Takes the tokens of its prompts, once they are known.
    /// - Throws: 429 with the time until there is enough again; no tokens are taken then.
    func takeTokens(_ promptTokens: Int, now: Time) throws(APIError) {
        if let limit = limits.requestsAtOnce, underway >= limit {
            throw Self.exhausted("\(limit) requests at once", code: "rate_limit_exceeded", after: 1)
        }
        try checkTokens(now: now)
        spend(tokenCount: promptTokens)
    }

    private func checkTokens(now: Time) throws(APIError) {
        tokens?.refill(now.steady)
        // A clock that is put back does not give a day twice.
        let day = max(today.day, now.unix / Self.secondsPerDay)
        if day > today.day { today = (day, 0) }
        if let tokens, let limit = limits.tokensPerMinute, tokens.left <= 0 {
            throw Self.exhausted(
                "\(limit) tokens a minute", code: "rate_limit_exceeded", after: tokens.seconds(until: 1))
        }
        if let limit = limits.tokensPerDay, today.tokenCount >= limit {
            let left = (day + 1) * Self.secondsPerDay - now.unix
            throw Self.exhausted("\(limit) tokens a day (UTC)", code: "insufficient_quota", after: Int(max(1, left)))
        }
    }

    /// Of a request that there was no room for.
    func giveBack(promptTokens: Int) {
        requests?.left += 1
        spend(tokenCount: -promptTokens)
    }

    func spend(tokenCount: Int) {
        tokens?.left -= Double(tokenCount)
        today.tokenCount = today.tokenCount.addingReportingOverflow(tokenCount).partialValue
    }

    fileprivate func began() { underway += 1 }

    fileprivate func ended() { underway -= 1 }

    private static func exhausted(_ limit: String, code: String, after seconds: Int) -> APIError {
        APIError(
            status: 429, message: "Your limit of \(limit) is used up. Try again in \(seconds) s.",
            type: code == "insufficient_quota" ? code : "rate_limit_error", code: code, retryAfterSeconds: seconds)
    }
}

/// Counts an answer's tokens against its tenant's allowance, on their way, and the request as underway until it ends or
/// nobody will hear of it again.
final class MeteredReceiver: GenerationReceiver {
    private let receiver: any GenerationReceiver
    private let meter: TenantMeter
    private var isUnderway = true

    init(_ receiver: any GenerationReceiver, _ meter: TenantMeter) {
        self.receiver = receiver
        self.meter = meter
        meter.began()
    }

    deinit { end() }

    func generationProduced(_ event: GenerationEvent) {
        switch event {
        case .delta(_, _, let tokens, _): meter.spend(tokenCount: tokens.count)
        case .finished, .failed: end()
        case .admitted, .promptLogprobs, .pooled, .choiceFinished: break
        }
        receiver.generationProduced(event)
    }

    private func end() {
        guard isUnderway else { return }
        isUnderway = false
        meter.ended()
    }
}
