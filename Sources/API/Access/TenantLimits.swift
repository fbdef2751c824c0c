/// How much a tenant may ask for. What is nil is not limited.
package struct TenantLimits: Equatable, Sendable {
    package var requestsPerMinute: Int?
    /// Of prompts and answers.
    package var tokensPerMinute: Int?
    /// Of prompts and answers, from midnight to midnight UTC.
    package var tokensPerDay: Int?
    /// Waiting or underway.
    package var requestsAtOnce: Int?

    package init(
        requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil, tokensPerDay: Int? = nil, requestsAtOnce: Int? = nil
    ) {
        self.requestsPerMinute = requestsPerMinute
        self.tokensPerMinute = tokensPerMinute
        self.tokensPerDay = tokensPerDay
        self.requestsAtOnce = requestsAtOnce
    }

    /// Of each limit the narrower one.
    func narrowed(by other: TenantLimits) -> TenantLimits {
        func narrower(_ limit: KeyPath<TenantLimits, Int?>) -> Int? {
            [self[keyPath: limit], other[keyPath: limit]].compactMap(\.self).min()
        }
        return TenantLimits(
            requestsPerMinute: narrower(\.requestsPerMinute), tokensPerMinute: narrower(\.tokensPerMinute),
            tokensPerDay: narrower(\.tokensPerDay), requestsAtOnce: narrower(\.requestsAtOnce))
    }
}
