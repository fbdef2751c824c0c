/// What an engine counts, after a step. Totals count from the engine's start.
package struct EngineStatistics: Equatable, Sendable {
    /// Total of steps.
    package var stepCount: UInt64
    /// Tokens of the last step, and those of them that belonged to prompts (or journals).
    package var stepTokenCount: Int
    package var prefillTokenCount: Int
    /// Totals of tokens looked up in the prefix cache, and found there.
    package var cacheQueriedTokenCount: Int
    package var cacheHitTokenCount: Int
    /// Totals of drafts, of their tokens, and of those that proved right.
    package var draftCount: Int
    package var draftTokenCount: Int
    package var acceptedDraftTokenCount: Int
    /// Total of sequences given back, whatever the reason.
    package var preemptionCount: Int
    package var runningCount: Int
    package var waitingPrefillTokenCount: Int
    package var slotCount: Int
    /// Pages that running sequences hold; idle cached pages are not among them.
    package var usedPageCount: Int
    package var pageCount: Int
}
