import Inference
import Serving
import Text

/// One choice: all that is needed to go on with it on another worker, and its text so far.
struct ChoiceJournal {
    let index: Int
    let prompt: [TokenID]
    private(set) var sampling: SamplingParameters
    let pooling: Pooling?
    private(set) var output: [TokenID] = []
    /// Of `output`, those that the client was told of.
    private var toldCount = 0
    private(set) var finish: FinishReason?
    private var lastTokenAt: Instant?
    private var text: TextStream
    private let tokenizer: Tokenizer
    /// Of the prompt's positions 1...; told at once when complete, since a worker that takes over begins anew.
    private var promptLogprobs: [TokenLogprobs] = []
    private var hasToldPrompt: Bool
    private var hasBeenAdmitted = false

    /// - Parameter choice: index among all choices of the request.
    init(choice: Int, of request: borrowing GenerationRequest, _ tokenizer: Tokenizer) {
        index = choice
        prompt = request.prompts[choice / request.choiceCount]
        pooling = request.pooling?[choice / request.choiceCount]
        sampling = request.sampling
        sampling.seed = CounterRandom.seed(request.sampling.seed, choice: choice % request.choiceCount)
        self.tokenizer = tokenizer
        text = TextStream(tokenizer, for: request)
        hasToldPrompt = sampling.promptLogprobs == nil
    }

    /// What a worker is given to begin, or to go on.
    mutating func admission(as id: SequenceID, priority: Int, salt: UInt64) -> AdmittedSequence {
        var admission = AdmittedSequence(
            id: id, tokens: output.isEmpty ? prompt : prompt + output, promptTokenCount: prompt.count,
            sampling: sampling, priority: priority, salt: salt, pooling: pooling,
            resumes: hasBeenAdmitted)
        hasBeenAdmitted = true
        // Once told, they need not be computed again, and the prompt may come from the cache.
        if hasToldPrompt { admission.sampling.promptLogprobs = nil } else { promptLogprobs.removeAll() }
        return admission
    }

    /// Notes that tokens came.
    /// - Returns: seconds since the last ones; nil for the first.
    mutating func tokensCame(at now: Instant) -> Double? {
        defer { lastTokenAt = now }
        return lastTokenAt.map { now.seconds(since: $0) }
    }

    /// Takes in what a step did for this choice.
    /// - Parameter tell: called with what the client may know now, in order.
    mutating func advance(_ entry: StepEntry, tell: (GenerationEvent) -> Void) {
        guard finish == nil else { return }
        if pooling != nil, !entry.pooled.isEmpty { tell(.pooled(choice: index, entry.pooled)) }
        advancePrompt(entry, tell)
        let knownCount = output.count
        for (place, token) in entry.tokens.enumerated() {
            output.append(token)
            let logged = entry.logprobs.indices.contains(place) ? self.logged(entry.logprobs[place]) : nil
            let isStop = entry.finish == .stop && place == entry.tokens.count - 1
            let matched = isStop ? text.appendStopToken(token, logged) : text.append(token, logged)
            if let matched {
                finish = .stop(matched)
                break
            }
        }
        if finish == nil, let end = entry.finish { finish = close(end) }
        let piece = text.takePiece()
        if !piece.isEmpty {
            // Mostly just those that came, which are in a list already.
            let isEntry = toldCount == knownCount && piece.tokenCount == entry.tokens.count
            let tokens = isEntry ? entry.tokens : Array(output[toldCount..<toldCount + piece.tokenCount])
            toldCount += piece.tokenCount
            tell(.delta(choice: index, text: piece.text, tokens: tokens, logprobs: piece.logprobs))
        }
        if let finish { tell(.choiceFinished(choice: index, finish)) }
    }

    private mutating func close(_ end: SequenceFinish) -> FinishReason? {
        switch end {
        case .stop: text.finish().map { .stop($0) } ?? .stop(nil)
        case .length: text.finish().map { .stop($0) } ?? .length
        case .failed, .unservable: nil
        }
    }

    private mutating func advancePrompt(_ entry: StepEntry, _ tell: (GenerationEvent) -> Void) {
        guard !hasToldPrompt else { return }
        promptLogprobs += entry.promptLogprobs.prefix(max(0, prompt.count - 1 - promptLogprobs.count))
        guard promptLogprobs.count == prompt.count - 1 || !entry.tokens.isEmpty || entry.finish != nil else { return }
        hasToldPrompt = true
        tell(.promptLogprobs(choice: index, promptLogprobs.map(logged)))
        promptLogprobs.removeAll()
    }

    private func logged(_ logprobs: TokenLogprobs) -> LoggedToken {
        LoggedToken(
            chosen: alternative(logprobs.token, logprobs.logprob),
            top: logprobs.top.map { alternative($0.token, $0.logprob) })
    }

    private func alternative(_ token: TokenID, _ logprob: Float) -> LoggedToken.Alternative {
        LoggedToken.Alternative(token: token, bytes: tokenizer.bytes(of: token), logprob: logprob)
    }
}
