package import Inference

/// One stream of tokens of a request: choice `index` continues prompt `index / choiceCount`.
///
/// A choice waits, or runs as a sequence; each admission makes it a new sequence, so that what an earlier worker still
/// says about it is known to be late.
package struct ChoiceID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let request: RequestID
    package let index: Int
    package init(_ request: RequestID, _ index: Int) {
        self.request = request
        self.index = index
    }
    package static func < (a: Self, b: Self) -> Bool { (a.request, a.index) < (b.request, b.index) }
    package func _rawHashValue(seed: Int) -> Int {
        IdentifierHash.value(request.rawValue &+ UInt64(truncatingIfNeeded: index) &* 0xD1B5_4A32_D192_ED03, seed: seed)
    }
    package var description: String { "\(request).\(index)" }
}

/// What the scheduler must know of a request.
package struct RequestSpec: Equatable, Sendable {
    package var id: RequestID
    package var model: String
    package var prompts: [[TokenID]]
    /// Choices for each prompt.
    package var choiceCount: Int
    /// Output tokens a choice may have.
    package var maxTokens: Int
    /// Higher goes first.
    package var priority: Int
    package var salt: UInt64
    /// False where the whole prompt must be computed whatever is cached.
    package var usesPrefixCache: Bool
    /// Texts are read as a whole: they take no pages, and no prefix is of use.
    package var readsWhole: Bool
    /// The only numerics id whose workers may have it; nil for any.
    package var numericsID: String?
    /// A copy of a request that another model answers: it runs where there is room at once, or not at all.
    package var isCopy: Bool
    /// Who asks: tenants share the workers fairly. Empty where nobody tells them apart.
    package var tenant: String
    /// What the router holds for it besides its prompts' tokens.
    package var heldBytes: Int
    /// nil: the limits of ``SchedulingLimits``.
    package var queueTimeoutSeconds: Double?
    package var requestTimeoutSeconds: Double?

    @inlinable package init(
        id: RequestID, model: String, prompts: [[TokenID]], choiceCount: Int = 1, maxTokens: Int, priority: Int = 0,
        salt: UInt64 = 0, usesPrefixCache: Bool = true, readsWhole: Bool = false, numericsID: String? = nil,
        isCopy: Bool = false, tenant: String = "", heldBytes: Int = 0,
        queueTimeoutSeconds: Double? = nil, requestTimeoutSeconds: Double? = nil
    ) {
        self.id = id
        self.model = model
        self.prompts = prompts
        self.choiceCount = choiceCount
        self.maxTokens = maxTokens
        self.priority = priority
        self.salt = salt
        self.usesPrefixCache = usesPrefixCache
        self.readsWhole = readsWhole
        self.numericsID = numericsID
        self.isCopy = isCopy
        self.tenant = tenant
        self.heldBytes = heldBytes
        self.queueTimeoutSeconds = queueTimeoutSeconds
        self.requestTimeoutSeconds = requestTimeoutSeconds
    }
}

extension RequestSpec {
    /// What it weighs while all of it waits. Saturates, so that figures from outside cannot overflow.
    var queueLoad: QueueLoad {
        let promptTokens = prompts.reduce(0) { $0 + $1.count }
        let (tokens, overflows) = promptTokens.multipliedReportingOverflow(by: choiceCount)
        let size = MemoryLayout<TokenID>.size
        let (bytes, bytesOverflow) = (promptTokens * size).addingReportingOverflow(max(0, heldBytes))
        return QueueLoad(
            requests: 1, tokens: overflows ? .max : tokens, bytes: bytesOverflow ? .max : bytes)
    }
}
