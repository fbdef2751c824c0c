import DequeModule
import Inference

/// What the scheduler knows of one worker, and what it has promised it since the worker last reported.
///
/// Slots and pages are the worker's own figures of its last report, less what admissions on their way will take
/// (`unseen`), less what is reserved for sequences that will still grow.
struct WorkerRecord: Sendable {
    /// Sequences given to it that have not ended: what it would take to lose it.
    var assigned: Set<SequenceID> = []
    var state: WorkerState
    private(set) var description: WorkerDescription
    let model: ModelID
    private var load: WorkerLoad
    private var commandsSeen: UInt64 = 0
    private var commandsTaken: UInt64 = 0
    private var unseen: Deque<Admission> = []
    private var unseenPages = 0
    private var unseenPrefillTokens = 0
    /// Pages its sequences are expected to need beyond those of their tokens so far.
    private(set) var reservedPages = 0

    /// A choice that waited long enough at the head of its line: nobody else gets this worker before it.
    var reservation: ChoiceID?
    /// A suspect that has made no token here yet. Nothing joins it.
    var trial: SequenceID?
    /// What its model's count of slots holds of it.
    var countedSlots = 0
    var pausedUntil: Instant?
    var refusalsInARow = 0
    var suspectSince: Instant?

    private(set) var pace = StepPace()
    /// For how long it has looked slow, of the time in which there was something to look at; nil since it was quick.
    private(set) var slowSeconds: Double?
    /// When one that was set aside is tried again; nil where none was, or it is back.
    private(set) var slowUntil: Instant?
    /// Times in a row that it was slow.
    private(set) var slowCount = 0
    /// Tried again: has to show its pace with one sequence.
    private(set) var isProbing = false
    private var busySince: Instant?
    /// Prompt tokens that the step after the last one may have; nil where that waits for something to do.
    private var prefillOfNextStep: Int?

    private var usualStepSeconds: Double?
    private var peakStepSeconds: Double = 0

    /// An admission that no report has seen.
    private struct Admission: Sendable {
        var command: UInt64
        var pages: Int
        var prefillTokens: Int
    }

    /// Figures from outside are held below this, so that sums of them cannot overflow.
    private static let figureMax = 1 << 40

    init(_ description: WorkerDescription, model: ModelID) {
        state = .ready
        self.model = model
        self.description = description
        load = WorkerLoad(
            freeSlots: Self.bounded(description.slotCount), freePages: Self.bounded(description.pageCount),
            runningSequences: 0, waitingPrefillTokens: 0)
        self.description.slotCount = load.freeSlots
        self.description.pageCount = load.freePages
        self.description.wholePageCount = Self.bounded(description.wholePageCount)
        self.description.pageTokenCount = max(1, min(description.pageTokenCount, 1 << 20))
        self.description.stepTokenBudget = max(1, min(description.stepTokenBudget, 1 << 20))
        self.description.contextLength = Self.bounded(description.contextLength)
    }

    private static func bounded(_ figure: Int) -> Int { max(0, min(figure, figureMax)) }

    // MARK: - Room

    var freeSlots: Int { max(0, min(load.freeSlots - unseen.count, description.slotCount - assigned.count)) }

    var freePages: Int {
        max(0, load.freePages - unseenPages - pages(forTokens: load.waitingPrefillTokens) - reservedPages)
    }

    /// Pages in use by running sequences, of `description.pageCount`.
    var usedPages: Int { max(0, description.pageCount - load.freePages) }

    var waitingPrefillTokens: Int { load.waitingPrefillTokens + unseenPrefillTokens }

    /// Takes sequences, and has a slot for one.
    var isOffered: Bool { state == .ready && freeSlots > 0 && !(isProbing && !assigned.isEmpty) }

    /// Nothing runs here and nothing is on its way.
    var isEmpty: Bool { assigned.isEmpty && unseen.isEmpty && load.runningSequences == 0 }

    /// None where texts are read as a whole.
    func pages(forTokens count: Int) -> Int {
        guard description.pooledOutput == nil else { return 0 }
        let size = description.pageTokenCount
        return count / size + (count % size == 0 ? 0 : 1)
    }

    /// The next token count at which a sequence takes another page or outgrows what is reserved for it.
    func reviewTokenCount(after count: Int, target: Int) -> Int {
        guard description.pooledOutput == nil else { return count + 1 }
        return min(max(target, count + 1), pages(forTokens: count) * description.pageTokenCount + 1)
    }

    /// Tokens that fill all its pages; where none are kept, those of the longest text.
    var capacity: Int {
        guard description.pooledOutput == nil else { return description.contextLength }
        return tokens(inPages: description.pageCount)
    }

    /// Tokens that a sequence can have which is alone in the worker, whatever the share is.
    var wholeCapacity: Int {
        guard description.pooledOutput == nil else { return description.contextLength }
        return min(
            description.contextLength, tokens(inPages: max(description.pageCount, description.wholePageCount)))
    }

    private func tokens(inPages pageCount: Int) -> Int {
        let (tokens, overflows) = pageCount.multipliedReportingOverflow(by: description.pageTokenCount)
        return overflows ? .max : tokens
    }

    // MARK: - Promises

    /// The number of the last command on the link.
    private(set) var commandsSent: UInt64 = 0

    mutating func countCommand() { commandsSent &+= 1 }

    mutating func admitted(
        _ sequence: SequenceID, tokenCount: Int, prefillTokens: Int, reserving growth: Int, at now: Instant
    ) {
        countCommand()
        if assigned.isEmpty { busySince = now }
        let admission = Admission(
            command: commandsSent, pages: pages(forTokens: tokenCount), prefillTokens: prefillTokens)
        unseen.append(admission)
        unseenPages += admission.pages
        unseenPrefillTokens += admission.prefillTokens
        reservedPages += growth
        assigned.insert(sequence)
    }

    mutating func released(_ sequence: SequenceID, reserved growth: Int) {
        assigned.remove(sequence)
        if trial == sequence { trial = nil }
        reservedPages -= growth
    }

    /// Changes what is reserved for a sequence of `count` tokens that is expected to have `target`.
    /// - Returns: its pages now, in place of `growth`, and the token count at which to look again.
    mutating func reserve(
        from growth: Int, forTokens count: Int, until target: Int
    ) -> (growth: Int, reviewTokenCount: Int) {
        let new = max(0, pages(forTokens: target) - pages(forTokens: count))
        reservedPages += new - growth
        return (new, reviewTokenCount(after: count, target: target))
    }

    /// Whether the worker was there when the command came; where it was not asked to say so at once, when a step knew of
    /// the command.
    func hasTaken(_ command: UInt64) -> Bool { command <= max(commandsTaken, commandsSeen) }

    /// Where a new sequence would stand here: see ``WorkerRank``.
    func rank(_ id: WorkerID, _ limits: SchedulingLimits, uncachedTokens: Int) -> WorkerRank {
        let tokens = uncachedTokens + waitingPrefillTokens + limits.runningSequenceCost * assigned.count
        return WorkerRank(
            cost: assigned.isEmpty ? tokens : limits.sharedPrefillFactor * tokens, freePages: freePages,
            freeSlots: freeSlots, worker: id)
    }

    // MARK: - News

    mutating func changeShare(slotCount: Int, pageCount: Int) {
        description.slotCount = Self.bounded(slotCount)
        description.pageCount = Self.bounded(pageCount)
    }

    mutating func took(_ commands: UInt64) { commandsTaken = max(commandsTaken, min(commands, commandsSent)) }

    mutating func apply(_ news: WorkerLoad, commandsSeen seen: UInt64) {
        load = WorkerLoad(
            freeSlots: Self.bounded(news.freeSlots), freePages: Self.bounded(news.freePages),
            runningSequences: Self.bounded(news.runningSequences),
            waitingPrefillTokens: Self.bounded(news.waitingPrefillTokens))
        commandsSeen = max(commandsSeen, min(seen, commandsSent))
        while let oldest = unseen.first, oldest.command <= commandsSeen {
            unseen.removeFirst()
            unseenPages -= oldest.pages
            unseenPrefillTokens -= oldest.prefillTokens
        }
    }

    /// A step took so long. The usual time follows quickly; the peak is forgotten over a thousand steps.
    mutating func stepTook(microseconds: UInt32, tokens: Int, at now: Instant) {
        let seconds = Double(microseconds) / 1e6
        pace.stepTook(seconds, tokens: Self.bounded(tokens), context: contextTokens, at: now)
        // The next one began when this report set out: what is sent from now on comes too late for it.
        prefillOfNextStep = load.runningSequences > 0 ? waitingPrefillTokens : nil
        usualStepSeconds = usualStepSeconds.map { $0 * 0.9 + seconds * 0.1 } ?? seconds
        peakStepSeconds = max(seconds, peakStepSeconds * 0.999)
    }

    /// How long it may be silent while it has sequences. One that promises signs of life is told from a hanging one by
    /// them, however long its steps are.
    func patience(_ limits: SchedulingLimits) -> Double {
        if let signSeconds = description.signSeconds {
            return max(
                limits.stallSecondsMin, limits.stallSignFactor * signSeconds, limits.stallStepShare * peakStepSeconds)
        }
        guard let usualStepSeconds else { return limits.firstStepSeconds }
        return max(
            limits.stallSecondsMin, limits.stallFactor * usualStepSeconds, limits.stallPeakFactor * peakStepSeconds)
    }

    // MARK: - Pace

    /// The mean of its last steps, while it has sequences.
    var knownPace: StepPace.Size? { assigned.isEmpty || pace.lastStep == nil ? nil : pace.mean }

    /// The step that is being waited for, once that takes longer than those before did. It holds at most what was in the
    /// worker, or on its way there, when the last one was reported; where nothing was left then, what came since. A worker
    /// that is tried again is waited for from its first step on; one that is new may take its time for that.
    func awaitedStep(_ now: Instant) -> StepPace.Size? {
        guard !assigned.isEmpty, let since = [pace.lastStep, busySince].compactMap(\.self).max(),
            pace.lastStep != nil || isProbing
        else { return nil }
        let prefill = prefillOfNextStep ?? waitingPrefillTokens
        let tokens = prefill > 0 ? min(prefill + assigned.count, description.stepTokenBudget) : 0
        return pace.waiting(now.seconds(since: since), tokens: tokens, context: contextTokens + prefill)
    }

    /// Tokens in the pages that running sequences read.
    private var contextTokens: Int {
        let (tokens, overflows) = usedPages.multipliedReportingOverflow(by: description.pageTokenCount)
        return overflows ? Self.figureMax : tokens
    }

    mutating func setAside(until instant: Instant) {
        slowUntil = instant
        slowCount += 1
        isProbing = false
    }

    mutating func takenBack() { (slowSeconds, slowUntil) = (nil, nil) }

    /// It looked slow, `seconds` after the last look; where it was not slow then, for `first` seconds.
    mutating func looksSlow(after seconds: Double, first: Double) {
        slowSeconds = slowSeconds.map { $0 + seconds } ?? first
    }

    /// Forgets how slow it was, and has to show how it is now.
    mutating func startProbe() {
        pace = StepPace()
        prefillOfNextStep = nil
        isProbing = true
    }

    /// It was not slow just now; what was seen before is forgotten when it is quick.
    mutating func keepsPace(isQuick: Bool, provenAfter steps: Int) {
        if isQuick { slowSeconds = nil }
        guard pace.stepCount >= steps else { return }
        isProbing = false
        slowCount = 0
    }

    /// - Returns: what cannot be, in words.
    func violation(growth: Int) -> String? {
        if reservedPages != growth { return "\(reservedPages) pages are reserved, its sequences say \(growth)" }
        if unseenPages < 0 || unseenPrefillTokens < 0 || reservedPages < 0 { return "a promise is below zero" }
        if unseen.isEmpty && (unseenPages != 0 || unseenPrefillTokens != 0) { return "a promise to nobody is left" }
        return nil
    }
}
