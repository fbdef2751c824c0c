/// Every bound and every rate of ``ClusterScheduler``, with why it has its value.
package struct SchedulingLimits: Equatable, Sendable {
    /// Requests that may wait. Over it new ones are refused.
    package var queueRequestsMax = 4096
    /// Prompt tokens that may wait. Over it new requests are refused.
    package var queueTokensMax = 4_194_304
    /// Bytes that may be held for what waits. Over it new requests are refused. A sixteenth of a small router's memory.
    package var queueBytesMax = 256 << 20
    /// A request that would wait longer, by how fast the queue has moved, is refused. After any overload all is well
    /// again within that time.
    package var queueWaitSecondsMax: Double = 30
    /// What one tenant may have of each bound of the queue while others are about: more than half would let two of
    /// them leave a third no room.
    package var tenantQueueShare = 0.5
    /// What requests for one model may have of each bound of the queue where there are other models with workers: those
    /// for one whose workers are still to come leave room for the others'.
    package var modelQueueShare = 0.5
    /// Weights of tenants that get another share of the tokens than 1.
    package var tenantWeights: [String: Double] = [:]
    /// What a token of output counts for beside one of a prompt. A chunk of a prompt reads the weights once for hundreds
    /// of tokens, a decode row shares that reading with the batch only: 2 is what VTC takes, and prices say 3 to 5.
    package var outputTokenWeight: Double = 2
    /// What a prompt token counts for that is found in a worker's cache: it costs pages and attention, no matrices.
    package var cachedTokenWeight = 0.1
    /// A tenant with nothing open is forgotten after so long, and what it was served beyond others with it.
    package var tenantMemorySeconds: Double = 60
    /// Tenants remembered that have nothing open, together with those that have: names come from outside.
    package var tenantsMax = 10_000
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
    /// How much longer a prompt takes beside running sequences than on an idle worker: they leave it 45 % of a step.
    package var sharedPrefillFactor = 2
    /// Waiting choices looked at behind one that fits nowhere now.
    package var lookahead = 8
    /// After waiting so long at the head, a choice reserves the next worker that reports: only what goes before it gets in there.
    package var headPatienceSeconds = 0.5
    /// Workers compared for a choice, besides the one that has just reported: those with most of its prefix, and
    /// those with the least to do.
    package var warmCandidatesMax = 32
    package var idleCandidatesMax = 8
    /// Prefix hashes remembered of a worker: a bound on what a faulty one can make a router hold.
    package var prefixHashesMax = 1 << 20

    /// A worker with running sequences of which nothing is heard for so long is suspect. With `suspicionSeconds` and a
    /// look at the clock it is 0.9 s until its sequences go on elsewhere.
    package var stallSecondsMin: Double = 0.5
    /// Or for so many times as long as it promises to let a router wait for a sign of life: the two looks at its engine that
    /// lie in that time may both be late by half of it.
    package var stallSignFactor = 2.5
    /// Or for this part of its longest step in memory: between two signs a piece of the step is done, and those of models so
    /// large that it matters are some dozens at least.
    package var stallStepShare = 0.125
    /// One that promises no signs is judged by its steps: so many usual ones.
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

    /// A worker whose steps take so many times as long as the median of its model's would for steps of their size, for so
    /// long, is slow. Hardware of one kind differs by less than 5, and a single step of less than a second does no harm.
    package var paceSlowFactor: Double = 5
    package var paceSlowSeconds: Double = 1
    /// Differences shorter than this harm nobody.
    package var paceSecondsMin = 0.01
    /// One whose steps are no longer than so many times the usual is quick: a slow worker that still has sequences is taken
    /// back then, and looks that found it slow before count no more.
    package var paceRecoveredFactor: Double = 2
    /// Between looks: four in the time in which a slow worker is to be found.
    package var paceCheckSeconds = 0.25
    /// Steps longer ago say nothing about now.
    package var paceMemorySeconds: Double = 10
    /// Others that a worker is compared with, at most about so many.
    package var pacePeersMax = 16
    /// An empty slow worker is tried again after so long, doubling with each time in a row up to the maximum. It gets one
    /// sequence until it has made so many steps.
    package var slowPauseSeconds: Double = 5
    package var slowPauseSecondsMax: Double = 60
    package var paceProbeSteps = 3

    /// Worker deaths with no token in between after which a choice is taken for their cause, if none of its neighbours
    /// can have been: they all made tokens there. A choice that had made no token itself where a worker died is tried
    /// in such company alone, so the second death is proof.
    package var deathsMax = 2
    /// The same where neighbours are as suspect: they had all made tokens where the first worker died, and went on
    /// together, since a stream should not wait for the proof of its innocence.
    package var deathsInCompanyMax = 3
    /// Before a suspect is tried, or a request is failed for deaths: what kills several workers at once has done so by
    /// then. A worker that died so soon before or after another one, of what that one had nothing of, allows a choice one
    /// death more, once.
    package var trialPauseSeconds = 0.05
    /// So many steps with parts of a choice's prompt that the worker lived through before its death say the same: what
    /// kills does so in its first step, nearly always.
    package var survivedStepsMin: UInt32 = 2
    /// Workers that died lately with nobody there who can have been the cause speak for a choice: where they die of
    /// something else, it may be there by chance, again and again. Each allows one death more, up to so many.
    package var otherDeathsMax = 6
    package var deathMemorySeconds: Double = 60
    /// A worker that dies without having said that a repeated admission came to it did not die of that: it was gone, and
    /// its system had not said so. So many deaths are forgiven a choice.
    package var innocentDeathsMax = 3
    /// Times a choice may be taken from a stalled worker with no token in between.
    package var stallsMax = 4
    /// A worker that refuses gets nothing for this long, doubling with each refusal in a row up to the maximum.
    package var refusalPauseSeconds = 0.02
    package var refusalPauseSecondsMax: Double = 1

    package init() {}
}
