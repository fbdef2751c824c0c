/// How much of one choice a client has been sent.
struct ChoiceProgress: Equatable, Sendable {
    /// The chunk that comes before anything is known.
    var hasOpened = false
    var hasEchoed = false
    var hasFinished = false
    /// UTF-8 of the text that the model made; an echoed prompt is not counted.
    private(set) var byteCount = 0
    /// Tokens that were shown with log-probabilities.
    private(set) var tokenCount = 0
    /// Of those bytes. Source: FNV-1a, draft-eastlake-fnv.
    private(set) var digest: UInt32 = 0x811C_9DC5

    init() {}

    init(byteCount: Int, tokenCount: Int, digest: UInt32) {
        self.byteCount = byteCount
        self.tokenCount = tokenCount
        if byteCount > 0 { self.digest = digest }
    }

    fileprivate mutating func add(_ text: some Sequence<UInt8>, tokenCount count: Int) {
        for byte in text {
            digest = (digest ^ UInt32(byte)) &* 0x0100_0193
            byteCount += 1
        }
        tokenCount += count
    }
}

/// A choice made anew is not the one that the client has a part of.
struct StreamDiverged: Error, Equatable {}

/// What of a stream has been sent, and what of it may be sent: all that the client does not have yet.
///
/// Counted in bytes of text and in tokens, not in events: how many tokens an event carries depends on when it was sent.
struct StreamProgress: Sendable {
    private(set) var choices: [ChoiceProgress]
    private(set) var hasUsage = false
    /// What was made in this process of a stream that began in another; nil for one that began here.
    private var made: [ChoiceProgress]?

    init(choiceCount: Int) { choices = Array(repeating: ChoiceProgress(), count: choiceCount) }

    /// Of a stream that the client has had so much of.
    init(after choices: [ChoiceProgress], hasUsage: Bool) {
        self.choices = choices
        self.hasUsage = hasUsage
        made = Array(repeating: ChoiceProgress(), count: choices.count)
    }

    var isFinished: Bool { choices.allSatisfy(\.hasFinished) }

    /// - Returns: whether the choice's first chunk is due.
    mutating func open(_ choice: Int) -> Bool {
        defer { choices[choice].hasOpened = true }
        return !choices[choice].hasOpened
    }

    /// - Returns: whether the prompt is due.
    mutating func echo(_ choice: Int) -> Bool {
        defer { choices[choice].hasEchoed = true }
        return !choices[choice].hasEchoed
    }

    /// - Returns: whether usage is due.
    mutating func use() -> Bool {
        defer { hasUsage = true }
        return !hasUsage
    }

    /// - Returns: the part of the piece that the client does not have; nil for none.
    mutating func append(_ piece: AnswerPiece, to choice: Int) throws(StreamDiverged) -> AnswerPiece? {
        guard var now = made?[choice] else {
            choices[choice].add(piece.text.utf8, tokenCount: piece.tokens.count)
            return piece
        }
        let sent = choices[choice]
        let knownBytes = min(max(0, sent.byteCount - now.byteCount), piece.text.utf8.count)
        let knownTokens = min(max(0, sent.tokenCount - now.tokenCount), piece.tokens.count)
        now.add(piece.text.utf8.prefix(knownBytes), tokenCount: knownTokens)
        if now.byteCount == sent.byteCount, now.digest != sent.digest { throw StreamDiverged() }
        guard let text = String(piece.text.utf8.dropFirst(knownBytes)) else { throw StreamDiverged() }
        let rest = AnswerPiece(text: text, tokens: Array(piece.tokens.dropFirst(knownTokens)))
        now.add(text.utf8, tokenCount: rest.tokens.count)
        made?[choice] = now
        guard !rest.text.isEmpty || !rest.tokens.isEmpty else { return nil }
        guard now.byteCount >= sent.byteCount, now.tokenCount >= sent.tokenCount, !sent.hasFinished else {
            throw StreamDiverged()
        }
        choices[choice].add(text.utf8, tokenCount: rest.tokens.count)
        return rest
    }

    /// - Returns: whether the choice's last chunk is due.
    mutating func finish(_ choice: Int) throws(StreamDiverged) -> Bool {
        if let now = made?[choice] {
            let sent = choices[choice]
            guard now.byteCount == sent.byteCount, now.tokenCount == sent.tokenCount else { throw StreamDiverged() }
        }
        defer { choices[choice].hasFinished = true }
        return !choices[choice].hasFinished
    }
}
