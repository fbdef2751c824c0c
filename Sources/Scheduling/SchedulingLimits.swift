/// Every bound and every rate of ``ClusterScheduler``, with why it has its value.
package struct SchedulingLimits: Equatable, Sendable {
    /// Requests that may wait. Over it new ones are refused.
    package var queueRequestsMax = 4096
    /// Prompt tokens that may wait. Over it new requests are refused.
    package var queueTokensMax = 4_194_304
    /// A request that had nothing running for so long ends, unless it brings its own limit. Anchor: llm-d's 60 s.
    package var queueTimeoutSeconds: Double = 60
    /// A request that is not done after so long ends, unless it brings its own limit.
    package var requestTimeoutSeconds: Double = 600

    /// Steps' worth of prompt that may wait in a worker before it gets more: 4 keep it busy for several round trips
    /// of the link, and a second long prompt waits here, where it can still go elsewhere.
    package var prefillStepsMax = 4
    /// What one more running sequence costs those beside it, in prompt tokens computed: a decode row is one token of
    /// every step, and 16 of them are what a newcomer typically shares with a neighbour before either ends.
    package var runningSequenceCost = 16
    /// Waiting choices looked at behind one that fits nowhere now.
    package var lookahead = 8
    /// After waiting so long at the head, a choice reserves the next worker that reports: nobody passes it there.
    package var headPatienceSeconds = 0.5
    /// Workers compared for a choice, besides the one that has just reported: those with most of its prefix, and
    /// those with the least to do.
    package var warmCandidatesMax = 32
    package var idleCandidatesMax = 8
    /// Prefix hashes remembered of a worker: a bound on what a faulty one can make a router hold.
    package var prefixHashesMax = 1 << 20

    /// A worker with running sequences that reports no step for `max(least, stallFactor * its usual step)` is suspect.
    /// With `suspicionSeconds` and a look at the clock it is 0.9 s until its sequences go on elsewhere.
    package var stallSecondsMin: Double = 0.5
    package var stallFactor: Double = 20
    /// The same against the longest step in memory: a full prefill step may take as long as many decode steps.
    package var stallPeakFactor: Double = 4
    /// Before the first step is known.
    package var firstStepSeconds: Double = 10
    /// A worker that stays suspect for so long loses its sequences to others.
    package var suspicionSeconds: Double = 0.35
    /// When time itself jumps by more than this between two looks, it was the router that slept: nobody is suspected
    /// until it has read what came meanwhile.
    package var ownPauseSeconds: Double = 0.25

    /// Worker deaths with no token in between after which a choice is taken for their cause, if none of its neighbours
    /// can have been: they all made tokens there.
    package var deathsMax = 2
    /// The same where neighbours are as suspect. From `deathsMax` on a worker gets one such choice at a time.
    package var deathsInCompanyMax = 3
    /// Workers that died lately without a choice speak for it: where they die of something else, a choice may be there by
    /// chance, again and again. Each allows one death more, up to so many.
    package var otherDeathsMax = 6
    package var deathMemorySeconds: Double = 60
    /// A worker that dies so soon after a repeated admission, without a step, did not die of it. Forgiven once.
    package var innocentSeconds = 0.01
    /// Times a choice may be taken from a stalled worker with no token in between.
    package var stallsMax = 4
    /// A worker that refuses gets nothing for this long, doubling with each refusal in a row up to the maximum.
    package var refusalPauseSeconds = 0.02
    package var refusalPauseSecondsMax: Double = 1

    package init() {}
}
