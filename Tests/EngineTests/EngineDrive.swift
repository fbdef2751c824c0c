import Engine
import Grammar
import Inference
import Models
import TestSupport
import Testing

/// All that a client could see of a sequence.
struct Outcome: Equatable {
    var tokens: [TokenID] = []
    var logprobs: [TokenLogprobs] = []
    var promptLogprobs: [TokenLogprobs] = []
    var finish: SequenceFinish?
}

/// Plays one or more routers for a ``StepLoop``: admits, journals, admits again what was refused or preempted.
/// After each step it counts every page again.
final class EngineDrive<Runtime: ModelRuntime> {
    var loop: StepLoop
    let runtime: Runtime
    private(set) var outcomes: [SequenceID: Outcome] = [:]
    private(set) var cachedCounts: [SequenceID: Int] = [:]
    private(set) var events: [RoutedEvent] = []
    private(set) var preemptionCount = 0
    private var waiting: [AdmittedSequence] = []
    /// As they first came.
    private var admitted: [SequenceID: AdmittedSequence] = [:]
    private var now = Instant(nanoseconds: 0)

    init(running runtime: Runtime, _ options: EngineOptions, vocabulary: TokenVocabulary? = nil) {
        self.runtime = runtime
        loop = StepLoop(runtime: runtime, options: options, vocabulary: vocabulary)
        loop.register(router: 0)
    }

    func apply(_ command: WorkerCommand, router: Int = 0) {
        if case .admit(let sequence) = command { admitted[sequence.id] = sequence }
        loop.apply(command, from: router, now: now)
    }

    /// - Returns: the events of this step.
    @discardableResult
    func step(after seconds: Double = 0.001) -> [RoutedEvent] {
        now = now.advanced(bySeconds: seconds)
        let instant = now
        let new = loop.step(clock: { instant })
        events += new
        for (_, event) in new { note(event) }
        #expect(loop.invariantViolation() == nil)
        if let script = runtime as? ScriptedRuntime { #expect(script.faults == []) }
        return new
    }

    /// Runs until all of `sequences` have ended; those that find no room come back first in line.
    func run(_ sequences: [AdmittedSequence], stepsMax: Int = 20_000) {
        for sequence in sequences { admitted[sequence.id] = sequence }
        waiting += sequences
        var steps = 0
        while !waiting.isEmpty || loop.hasWork {
            let batch = waiting
            waiting = []
            for sequence in batch { loop.apply(.admit(sequence), from: 0, now: now) }
            step()
            steps += 1
            guard steps < stepsMax else {
                Issue.record("\(waiting.count) sequences still wait after \(steps) steps")
                return
            }
        }
    }

    private func note(_ event: WorkerEvent) {
        switch event {
        case .step(let report): for entry in report.entries { note(entry) }
        case .preempted(let id):
            preemptionCount += 1
            readmit(id)
        case .refused(let id): readmit(id)
        case .welcome, .credit, .prefix, .draining, .working, .taken: break
        }
    }

    private func note(_ entry: StepEntry) {
        var outcome = outcomes[entry.sequence] ?? Outcome()
        #expect(outcome.finish == nil, "nothing may follow the end")
        switch entry.finish {
        case .failed, .unservable: #expect(entry.tokens.isEmpty, "nobody would be given them")
        case .stop, .length, nil: break
        }
        outcome.tokens += entry.tokens
        outcome.logprobs += entry.logprobs
        // A prompt that was computed again reports again, from the first position.
        outcome.promptLogprobs += entry.promptLogprobs
        outcome.finish = entry.finish
        outcomes[entry.sequence] = outcome
        if let cached = entry.cachedTokenCount { cachedCounts[entry.sequence] = cached }
    }

    private func readmit(_ id: SequenceID) {
        guard !loop.isDraining, var sequence = admitted[id] else { return }
        sequence.tokens += outcomes[id]?.tokens ?? []
        waiting.append(sequence)
    }
}

extension EngineDrive where Runtime == ScriptedRuntime {
    convenience init(
        _ runtime: ScriptedRuntime = ScriptedRuntime(), _ options: EngineOptions = EngineOptions(slotCount: 16)
    ) {
        self.init(running: runtime, options)
    }
}

extension AdmittedSequence {
    static func greedy(
        _ id: UInt64, _ tokens: [TokenID], maxTokens: Int = 8, priority: Int = 0, salt: UInt64 = 0
    ) -> AdmittedSequence {
        var sampling = SamplingParameters()
        sampling.temperature = 0
        sampling.maxTokens = maxTokens
        return AdmittedSequence(
            id: SequenceID(id), tokens: tokens, promptTokenCount: tokens.count, sampling: sampling, priority: priority,
            salt: salt)
    }
}

/// Sequences as varied as clients make them, the same for the same seed.
func randomSequences(_ count: Int, seed: UInt64, vocabularySize: Int = 101) -> [AdmittedSequence] {
    var random = SeededRandom(seed: seed)
    func tokens(_ count: Int) -> [TokenID] {
        (0..<count).map { _ in TokenID.random(in: 0..<TokenID(vocabularySize), using: &random) }
    }
    let shared = [tokens(40), tokens(23)]
    return (1...count).map { id in
        var sampling = SamplingParameters()
        sampling.temperature = random.happens(0.3) ? 0 : Float.random(in: 0.2...1.5, using: &random)
        if random.happens(0.4) { sampling.topK = Int.random(in: 1...60, using: &random) }
        if random.happens(0.4) { sampling.topP = Float.random(in: 0.1...1, using: &random) }
        if random.happens(0.3) { sampling.minP = Float.random(in: 0...0.3, using: &random) }
        if random.happens(0.4) { sampling.repetitionPenalty = Float.random(in: 0.8...1.6, using: &random) }
        if random.happens(0.3) { sampling.presencePenalty = Float.random(in: -2...2, using: &random) }
        if random.happens(0.3) { sampling.frequencyPenalty = Float.random(in: -2...2, using: &random) }
        if random.happens(0.3) {
            sampling.logitBias = [LogitBias(token: 3, bias: 2), LogitBias(token: 50, bias: -100)]
        }
        if random.happens(0.4) { sampling.logprobs = Int.random(in: 0...5, using: &random) }
        if random.happens(0.2) { sampling.promptLogprobs = Int.random(in: 0...3, using: &random) }
        sampling.stopTokens = [1, 2]
        sampling.minTokens = random.happens(0.3) ? 5 : 0
        sampling.maxTokens = Int.random(in: 1...40, using: &random)
        sampling.seed = random.next()
        let prompt = (random.happens(0.6) ? shared[id % 2] : []) + tokens(Int.random(in: 1...30, using: &random))
        return AdmittedSequence(
            id: SequenceID(UInt64(id)), tokens: prompt, promptTokenCount: prompt.count, sampling: sampling,
            priority: Int.random(in: 0...2, using: &random))
    }
}
