/// What routers and workers say to each other, as values. WorkerProtocol/ carries them over the wire;
/// Scheduling/ and Engine/ know nothing else of each other.

/// What a worker is: the first thing it says on a link.
package struct WorkerDescription: Equatable, Sendable {
    /// Name under which the model is served.
    package var model: String
    /// Hash of weights, kernel family, page size and KV type: equal ids give equal bits.
    package var numericsID: String
    /// Distinguishes a restarted process from the one before.
    package var epoch: UInt64
    /// Sequences that may run at once, of this router's share.
    package var slotCount: Int
    /// KV pages of this router's share.
    package var pageCount: Int
    /// KV pages of the worker. A sequence that is alone may have more of them than the share.
    package var wholePageCount: Int
    /// Tokens a KV page holds.
    package var pageTokenCount: Int
    /// Tokens a sequence may have, prompt and output together.
    package var contextLength: Int
    package var vocabularySize: Int
    /// Tokens a step computes at most, prefill and decode together.
    package var stepTokenBudget: Int
    /// What it makes of a text that it reads as a whole, without KV pages; nil where it generates.
    package var pooledOutput: PooledOutput?
    /// While it computes, a router hears something at least so often, however long a step takes: ``WorkerEvent/working``
    /// where there is nothing else to say. nil: no more than its steps.
    package var signSeconds: Double?
    /// Of its tokenizer and chat template: workers of one numerics id that say the same have the same. nil where it says
    /// none, as workers of earlier versions do.
    package var tokenizerDigest: UInt64?

    /// - Parameter wholePageCount: nil where one router has all.
    package init(
        model: String, numericsID: String, epoch: UInt64, slotCount: Int, pageCount: Int, wholePageCount: Int? = nil,
        pageTokenCount: Int, contextLength: Int, vocabularySize: Int, stepTokenBudget: Int,
        pooledOutput: PooledOutput? = nil, signSeconds: Double? = nil, tokenizerDigest: UInt64? = nil
    ) {
        self.model = model
        self.numericsID = numericsID
        self.epoch = epoch
        self.slotCount = slotCount
        self.pageCount = pageCount
        self.wholePageCount = max(pageCount, wholePageCount ?? pageCount)
        self.pageTokenCount = pageTokenCount
        self.contextLength = contextLength
        self.vocabularySize = vocabularySize
        self.stepTokenBudget = stepTokenBudget
        self.pooledOutput = pooledOutput
        self.signSeconds = signSeconds
        self.tokenizerDigest = tokenizerDigest
    }
}

/// A sequence as the router admits it: all that decides its next token.
package struct AdmittedSequence: Equatable, Sendable {
    package var id: SequenceID
    /// The prompt, then the journal of tokens already produced elsewhere.
    package var tokens: [TokenID]
    /// How many of `tokens` are the prompt. The rest counts against `maxTokens` and for penalties.
    package var promptTokenCount: Int
    package var sampling: SamplingParameters
    /// Higher is preempted later.
    package var priority: Int
    /// First link of the prefix hash chain, so that tenants share no cache.
    package var salt: UInt64
    /// How to read it as a whole; nil generates.
    package var pooling: Pooling?
    /// The span that the sequence's own are children of; nil where nobody traces it.
    package var trace: TraceContext?
    /// A worker had it before, if only for a part of its prompt: its client has waited for it.
    package var resumes: Bool

    @inlinable package init(
        id: SequenceID, tokens: [TokenID], promptTokenCount: Int, sampling: SamplingParameters, priority: Int = 0,
        salt: UInt64 = 0, pooling: Pooling? = nil, trace: TraceContext? = nil, resumes: Bool = false
    ) {
        self.id = id
        self.tokens = tokens
        self.promptTokenCount = promptTokenCount
        self.sampling = sampling
        self.priority = priority
        self.salt = salt
        self.pooling = pooling
        self.trace = trace
        self.resumes = resumes
    }

    /// Whether a worker had it before: tokens that it made there say so too.
    package var isResumed: Bool { resumes || tokens.count > promptTokenCount }
}

/// Router to worker. Takes effect at the next step boundary.
package enum WorkerCommand: Equatable, Sendable {
    case admit(AdmittedSequence)
    /// The sequence's pages are free after the step that is running; nothing more is reported of it.
    case cancel(SequenceID)
    /// Give the sequence back: answered by `preempted`.
    case preempt(SequenceID)
    /// Admit nothing more; preempt what is left when the deadline passes.
    case drain(deadlineSeconds: Double)
}

/// Why a worker stopped a sequence by itself.
package enum SequenceFinish: Equatable, Sendable {
    /// A stop token was produced; it is the last token of the entry.
    case stop
    /// `maxTokens` or the context length was reached.
    case length
    /// The worker cannot run this sequence, and no other would: the text says why.
    case failed(String)
    /// The same where the reason is what was asked for: the client's mistake.
    case unservable(String)
}

/// What one step did for one sequence.
package struct StepEntry: Equatable, Sendable {
    package var sequence: SequenceID
    /// New tokens in order; empty while the prompt is still being computed.
    package var tokens: [TokenID]
    /// One for each of `tokens` when asked for, else empty.
    package var logprobs: [TokenLogprobs]
    /// For prompt positions 1..., in order, as they are computed, when asked for.
    package var promptLogprobs: [TokenLogprobs]
    /// Prompt tokens taken from the prefix cache; set in the sequence's first entry only.
    package var cachedTokenCount: Int?
    /// What a model that reads whole texts made of this one; empty otherwise.
    package var pooled: [Float]
    package var finish: SequenceFinish?

    @inlinable package init(
        sequence: SequenceID, tokens: [TokenID] = [], logprobs: [TokenLogprobs] = [],
        promptLogprobs: [TokenLogprobs] = [], cachedTokenCount: Int? = nil, pooled: [Float] = [],
        finish: SequenceFinish? = nil
    ) {
        self.sequence = sequence
        self.tokens = tokens
        self.logprobs = logprobs
        self.promptLogprobs = promptLogprobs
        self.cachedTokenCount = cachedTokenCount
        self.pooled = pooled
        self.finish = finish
    }
}

/// What a worker has left for this router, after a step.
package struct WorkerLoad: Equatable, Sendable {
    package var freeSlots: Int
    /// Pages that are free or can be evicted from the prefix cache.
    package var freePages: Int
    package var runningSequences: Int
    /// Prompt tokens of admitted sequences that are not computed yet.
    package var waitingPrefillTokens: Int

    package init(freeSlots: Int, freePages: Int, runningSequences: Int, waitingPrefillTokens: Int) {
        self.freeSlots = freeSlots
        self.freePages = freePages
        self.runningSequences = runningSequences
        self.waitingPrefillTokens = waitingPrefillTokens
    }
}

package struct StepReport: Equatable, Sendable {
    /// Steps since the worker started; never repeats.
    package var number: UInt64
    package var durationMicroseconds: UInt32
    /// Tokens the step computed, of all routers.
    package var tokenCount: Int
    package var entries: [StepEntry]
    package var load: WorkerLoad
    /// The last command of this router that the step has seen: what was sent later is not in `load` yet.
    package var commandsSeen: UInt64

    package init(
        number: UInt64, durationMicroseconds: UInt32, tokenCount: Int, entries: [StepEntry], load: WorkerLoad,
        commandsSeen: UInt64
    ) {
        self.number = number
        self.durationMicroseconds = durationMicroseconds
        self.tokenCount = tokenCount
        self.entries = entries
        self.load = load
        self.commandsSeen = commandsSeen
    }
}

/// Worker to router.
package enum WorkerEvent: Equatable, Sendable {
    case welcome(WorkerDescription)
    case step(StepReport)
    /// This router's share changed (a router came or went) or load changed without a step (a cancel while idle).
    case credit(slotCount: Int, pageCount: Int, load: WorkerLoad, commandsSeen: UInt64)
    /// Full pages that became or ceased to be reusable. A snapshot replaces all that was known.
    case prefix(added: [UInt64], removed: [UInt64], isSnapshot: Bool)
    /// The worker gave the sequence back with nothing lost: what it reported so far is its journal.
    case preempted(SequenceID)
    /// The worker had no slot or pages after all, or is draining: admit it elsewhere.
    case refused(SequenceID)
    case draining
    /// A long step is underway and moves.
    case working
    /// Commands up to this number have come, the last of them an admission that resumes; nothing was done about it yet.
    case taken(commands: UInt64)
}
