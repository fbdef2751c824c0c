import Inference
import NIOCore
import TestSupport
import Text

@testable import Router

/// Tokens as a pure function of prompt, position and seed: what any worker must say, and what tests compare with.
enum Oracle {
    static let vocabulary = 3 + 256 + 26

    /// Control tokens, all bytes, then a few words: characters that tokens split, and words that stop strings cross.
    static let tokenizer: Tokenizer = {
        let words = (0..<26).map { "▁w\(Character(UnicodeScalar(UInt8(97 + $0))))" }
        let bytes = (0..<256).map { "<0x" + (($0 < 16 ? "0" : "") + String($0, radix: 16)).uppercased() + ">" }
        let kinds: [TokenizerSpec.TokenKind] =
            [.unknown, .control, .control] + Array(repeating: .byte, count: 256) + Array(repeating: .normal, count: 26)
        let spec = TokenizerSpec(
            kind: .sentencePiece, preTokenizer: "", tokens: ["<unk>", "<s>", "</s>"] + bytes + words,
            tokenKinds: kinds, scores: Array(repeating: 0, count: vocabulary), bosToken: 1, eosToken: 2,
            unknownToken: 0)
        do { return try Tokenizer(spec) } catch { preconditionFailure("\(error)") }
    }()

    static func token(prompt: ArraySlice<TokenID>, position: Int, seed: UInt64) -> TokenID {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(position)
        for token in prompt { state = (state ^ UInt64(UInt32(bitPattern: token))) &* 0x0000_0100_0000_01B3 }
        var random = SeededRandom(seed: state)
        // Bytes of "é" now and then, so that characters cross tokens; else words.
        switch random.below(8) {
        case 0: return 3 + 0xC3
        case 1: return 3 + 0xA9
        default: return TokenID(259 + random.below(26))
        }
    }

    static func output(prompt: [TokenID], count: Int, seed: UInt64) -> [TokenID] {
        (0..<count).map { token(prompt: prompt[...], position: prompt.count + $0, seed: seed) }
    }

    /// What is made of a text that is read as a whole.
    static func pooled(_ tokens: [TokenID], size: Int) -> [Float] {
        (0..<size).map { Float(token(prompt: tokens[...], position: $0, seed: 3)) / 256 }
    }

    static func logprobs(_ token: TokenID, position: Int, top: Int) -> TokenLogprobs {
        TokenLogprobs(
            token: token, logprob: -Float(position % 17) / 16,
            top: (0..<top).map { .init(token: TokenID(3 + (position + $0) % 100), logprob: -Float($0)) })
    }
}

/// A link and the worker behind it, on strings: the test decides when it steps, dies, refuses.
final class ScriptedLink: WorkerLink {
    private struct Running {
        var admitted: AdmittedSequence
        var tokens: [TokenID]
        var computed: Int
        var isReported = false
    }

    let address: String
    weak var delegate: (any WorkerLinkDelegate)?
    private(set) var isOpen = false
    private(set) var isLinked = false
    private(set) var isClosed = false
    /// All admissions ever, across links.
    private(set) var admissions: [AdmittedSequence] = []
    private(set) var cancels = 0
    private var mailbox: [WorkerCommand] = []
    private var running: [Running] = []
    private var sent: UInt64 = 0
    private var seen: UInt64 = 0
    private var steps: UInt64 = 0
    private(set) var description: WorkerDescription
    /// Prompt tokens computed in one step, over all sequences.
    var prefillBudget = 32
    /// Tokens of a sequence in one step.
    var tokensPerStep = 1
    var refusals = 0
    var cachedTokens = 0

    /// - Parameter pooledOutput: then it reads whole texts, and has no pages.
    init(
        _ address: WorkerAddress, slots: Int = 4, numericsID: String = "n1", model: String = "m",
        pooledOutput: PooledOutput? = nil
    ) {
        self.address = address.description
        description = WorkerDescription(
            model: model, numericsID: numericsID, epoch: 1, slotCount: slots,
            pageCount: pooledOutput == nil ? 256 : 0, pageTokenCount: 16, contextLength: 512,
            vocabularySize: Oracle.vocabulary, stepTokenBudget: 64, pooledOutput: pooledOutput)
    }

    var runningCount: Int { running.count }

    func open() { isOpen = true }
    func giveUp(_ reason: String) {}
    func close() {
        isClosed = true
        isLinked = false
    }

    func send(_ command: WorkerCommand) -> UInt64 {
        guard isLinked else { return 0 }
        mailbox.append(command)
        sent += 1
        return sent
    }

    // MARK: - What the test does

    func welcome(_ tokenizer: Tokenizer = Oracle.tokenizer, contextLength: Int = 512) {
        description.contextLength = contextLength
        (sent, seen, isLinked) = (0, 0, true)
        mailbox.removeAll()
        running.removeAll()
        delegate?.linkWelcomed(self, description, tokenizer)
    }

    func die(silentSeconds: Double = 0) {
        isLinked = false
        mailbox.removeAll()
        running.removeAll()
        delegate?.linkLost(self, "The test pulled the plug.", silentSeconds: silentSeconds)
    }

    func announceDraining() { delegate?.linkReceived(self, .draining) }

    /// Gives everything back.
    func preemptAll() {
        let ids = running.map(\.admitted.id)
        running.removeAll()
        for id in ids { delegate?.linkReceived(self, .preempted(id)) }
    }

    /// Applies what came and computes one step.
    func step() {
        guard isLinked else { return }
        receive()
        guard !running.isEmpty || sent != seen else { return }
        seen = sent
        var entries: [StepEntry] = []
        var budget = prefillBudget
        for place in running.indices { entries.append(advance(place, &budget)) }
        let ended = Set(entries.filter { $0.finish != nil }.map(\.sequence))
        running.removeAll { ended.contains($0.admitted.id) }
        steps += 1
        delegate?.linkReceived(
            self,
            .step(
                StepReport(
                    number: steps, durationMicroseconds: 1000, tokenCount: entries.count, entries: entries, load: load,
                    commandsSeen: seen)))
    }

    private var load: WorkerLoad {
        let pages = running.reduce(0) { $0 + ($1.tokens.count + 15) / 16 }
        return WorkerLoad(
            freeSlots: description.slotCount - running.count, freePages: max(0, description.pageCount - pages),
            runningSequences: running.count,
            waitingPrefillTokens: running.reduce(0) { $0 + max(0, $1.admitted.tokens.count - $1.computed) })
    }

    private func receive() {
        let commands = mailbox
        mailbox.removeAll()
        for command in commands {
            switch command {
            case .admit(let sequence):
                admissions.append(sequence)
                if refusals > 0 || running.count >= description.slotCount {
                    refusals = max(0, refusals - 1)
                    delegate?.linkReceived(self, .refused(sequence.id))
                } else {
                    running.append(Running(admitted: sequence, tokens: sequence.tokens, computed: 0))
                }
            case .cancel(let id):
                cancels += 1
                running.removeAll { $0.admitted.id == id }
            case .preempt(let id):
                guard running.contains(where: { $0.admitted.id == id }) else { continue }
                running.removeAll { $0.admitted.id == id }
                delegate?.linkReceived(self, .preempted(id))
            case .drain: break
            }
        }
    }

    private func advance(_ place: Int, _ budget: inout Int) -> StepEntry {
        let sequence = running[place].admitted
        var entry = StepEntry(sequence: sequence.id)
        if !running[place].isReported {
            running[place].isReported = true
            entry.cachedTokenCount = cachedTokens
        }
        let before = running[place].computed
        let chunk = min(budget, sequence.tokens.count - before)
        if chunk > 0 {
            budget -= chunk
            running[place].computed += chunk
            if let top = sequence.sampling.promptLogprobs {
                for position in before..<before + chunk where position + 1 < sequence.promptTokenCount {
                    let token = sequence.tokens[position + 1]
                    entry.promptLogprobs.append(Oracle.logprobs(token, position: position + 1, top: top))
                }
            }
        }
        guard running[place].computed >= sequence.tokens.count else { return entry }
        if sequence.pooling != nil {
            entry.pooled = Oracle.pooled(sequence.tokens, size: description.pooledOutput?.count ?? 0)
            entry.finish = .stop
            return entry
        }
        for _ in 0..<tokensPerStep where entry.finish == nil && sequence.sampling.maxTokens > 0 {
            let position = running[place].tokens.count
            let token = Oracle.token(
                prompt: sequence.tokens.prefix(sequence.promptTokenCount), position: position,
                seed: sequence.sampling.seed)
            running[place].tokens.append(token)
            entry.tokens.append(token)
            if let top = sequence.sampling.logprobs {
                entry.logprobs.append(Oracle.logprobs(token, position: position, top: top))
            }
            let produced = running[place].tokens.count - sequence.promptTokenCount
            if sequence.sampling.stopTokens.contains(token) {
                entry.finish = .stop
            } else if produced >= sequence.sampling.maxTokens {
                entry.finish = .length
            }
        }
        if sequence.sampling.maxTokens == 0 { entry.finish = .length }
        return entry
    }
}
