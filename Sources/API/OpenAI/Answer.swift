import Inference
import NIOCore
import Serving

/// A token where it stands in a choice's text.
struct PlacedToken: Equatable, Sendable {
    var bytes: [UInt8]
    /// nil for the first token of a prompt, which follows nothing.
    var logprob: Float?
    var top: [LoggedToken.Alternative]
    /// Unicode scalars of the choice's text before it.
    var textOffset: Int
}

/// A stretch of a choice's text: a delta, or all of it. Tokens are there only when log-probabilities are asked for.
struct AnswerPiece: Equatable, Sendable {
    var text = ""
    var tokens: [PlacedToken] = []
    /// What of the text is calls of tools, and no part of `text` then.
    var calls: [CalledPiece] = []

    var isEmpty: Bool { text.isEmpty && tokens.isEmpty && calls.isEmpty }

    mutating func append(_ piece: AnswerPiece) {
        text += piece.text
        tokens += piece.tokens
        for call in piece.calls { append(call) }
    }

    mutating func append(_ call: CalledPiece) {
        if call.name == nil, calls.last?.index == call.index {
            calls[calls.count - 1].arguments += call.arguments
        } else {
            calls.append(call)
        }
    }
}

/// One choice as it grows.
struct AnswerChoice: Sendable {
    private(set) var completionTokenCount = 0
    /// All so far; kept only where the answer is sent in one.
    private(set) var folded = AnswerPiece()
    var finish: FinishReason?
    var hasEchoed = false
    /// Of streams whose text may hold calls of tools.
    var divider: ToolCallDivider?
    /// Of the text; counted where tokens are shown at their places.
    private var scalarCount = 0
    private let placesTokens: Bool

    init(divider: ToolCallDivider?, placesTokens: Bool) {
        self.divider = divider
        self.placesTokens = placesTokens
    }

    /// Takes the next stretch and gives it its place.
    mutating func append(
        text: String, tokenCount: Int, logprobs: [LoggedToken], alternativeCount: Int, folds: Bool
    ) -> AnswerPiece {
        var piece = AnswerPiece(text: text)
        completionTokenCount += tokenCount
        guard placesTokens else {
            if folds { folded.append(piece) }
            return piece
        }
        let end = scalarCount + text.unicodeScalars.count
        for logged in logprobs {
            piece.tokens.append(
                PlacedToken(
                    bytes: logged.chosen.bytes, logprob: logged.chosen.logprob,
                    top: Array(logged.top.prefix(alternativeCount)), textOffset: scalarCount))
            // Tokens that are left out of the text, such as end-of-turn marks, must not run ahead of it.
            scalarCount = min(scalarCount + logged.chosen.bytes.count { $0 & 0xC0 != 0x80 }, end)
        }
        scalarCount = end
        if folds { folded.append(piece) }
        return piece
    }

    /// Puts the prompt in front.
    /// - Parameters:
    ///   - tokens: the prompt's, when log-probabilities are asked for; else none.
    ///   - logprobs: of `tokens` from the second on.
    mutating func echo(
        _ text: String, tokens: [[UInt8]], logprobs: [LoggedToken], alternativeCount: Int, folds: Bool
    ) -> AnswerPiece {
        var logged: [LoggedToken] = []
        for (index, bytes) in tokens.enumerated() {
            let known = index >= 1 && logprobs.indices.contains(index - 1) ? logprobs[index - 1] : nil
            logged.append(known ?? LoggedToken(chosen: .init(token: 0, bytes: bytes, logprob: .nan), top: []))
        }
        var piece = append(
            text: text, tokenCount: 0, logprobs: logged, alternativeCount: alternativeCount, folds: false)
        for index in piece.tokens.indices where piece.tokens[index].logprob?.isNaN ?? false {
            piece.tokens[index].logprob = nil
        }
        if folds { folded.append(piece) }
        hasEchoed = true
        return piece
    }
}

/// What differs between the answers of chats and of completions. A choice is written in one way whether it is sent
/// in pieces or in one.
protocol AnswerEncoder {
    /// "chatcmpl-" or "cmpl-".
    static var namePrefix: StaticString { get }
    static var object: StaticString { get }
    static var chunkObject: StaticString { get }
    /// Whether `prompt_logprobs` belongs to each choice or stands beside them.
    static var putsPromptLogprobsIntoChoices: Bool { get }

    /// The first chunk of a choice, before anything is known of it.
    /// - Returns: false when this dialect has none.
    func writeOpening(choice: Int, into buffer: inout ByteBuffer) -> Bool
    func writeDelta(choice: Int, _ piece: AnswerPiece, into buffer: inout ByteBuffer)
    /// The last chunk of a choice, with what was held back till then.
    /// - Parameter hasCalled: whether it called tools, here or before.
    func writeFinish(
        choice: Int, _ piece: AnswerPiece, _ reason: FinishReason, hasCalled: Bool, into buffer: inout ByteBuffer)
    /// A whole choice, without the brace that closes it.
    func writeChoice(choice: Int, _ piece: AnswerPiece, _ reason: FinishReason?, into buffer: inout ByteBuffer)
}

/// What the answer in one, or each chunk of a stream, begins with.
struct AnswerEnvelope {
    /// 128 random bits.
    var name: (high: UInt64, low: UInt64)
    /// Seconds since 1970.
    var created: Int64
    /// Of the model, up to where the choices begin.
    var tail: ByteBuffer

    /// `{…,"choices":[`, of a stream `data: {…,"choices":[`
    func write<Encoder: AnswerEncoder>(of _: Encoder.Type, streams: Bool, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(streams ? "data: {\"id\":\"" : "{\"id\":\"")
        buffer.writeStaticString(Encoder.namePrefix)
        buffer.writeName(name)
        buffer.writeStaticString("\",\"object\":\"")
        buffer.writeStaticString(streams ? Encoder.chunkObject : Encoder.object)
        buffer.writeStaticString("\",\"created\":")
        buffer.writeJSON(created)
        buffer.writeImmutableBuffer(tail)
    }

    /// What answers of one model have in common, made anew when the model is another one than last time.
    struct Tail {
        private var model: String?
        private var numericsID = ""
        private var text = ByteBuffer()

        mutating func of(_ model: ServedModel, _ numericsID: String) -> ByteBuffer {
            if self.model == model.name, self.numericsID == numericsID { return text }
            var text = ByteBuffer()
            text.writeStaticString(",\"model\":")
            text.writeJSON(model.name)
            text.writeStaticString(",\"system_fingerprint\":")
            text.writeJSON(fingerprint(numericsID))
            text.writeStaticString(",\"choices\":[")
            (self.model, self.numericsID, self.text) = (model.name, numericsID, text)
            return text
        }
    }

    /// Equal fingerprints mean equal bits for equal seeds: the numerics id, its digest of the weights cut short.
    /// - Parameter id: empty while workers of several numerics serve the model.
    private static func fingerprint(_ id: String) -> String? {
        guard !id.isEmpty else { return nil }
        let end = id.utf8.firstIndex(of: UInt8(ascii: "-")) ?? id.endIndex
        let cut = id.utf8.index(id.startIndex, offsetBy: 12, limitedBy: end) ?? end
        return "fp_" + id[..<cut] + id[end...]
    }
}

extension ByteBuffer {
    /// In hexadecimal.
    mutating func writeName(_ words: (high: UInt64, low: UInt64)) {
        writeWithOutputRawSpan(minimumWritableBytes: 32) { out in
            for place in 0..<4 { out.append(APICore.eightDigits(place, of: words).littleEndian, as: UInt64.self) }
        }
    }

    /// - Parameter cachedTokens: nil while it is not known.
    mutating func writeUsage(promptTokens: Int, completionTokens: Int, cachedTokens: Int?) {
        writeStaticString("{\"prompt_tokens\":")
        writeJSON(promptTokens)
        writeStaticString(",\"completion_tokens\":")
        writeJSON(completionTokens)
        writeStaticString(",\"total_tokens\":")
        writeJSON(promptTokens + completionTokens)
        if let cachedTokens {
            writeStaticString(",\"prompt_tokens_details\":{\"cached_tokens\":")
            writeJSON(cachedTokens)
            writeStaticString("}")
        }
        writeStaticString("}")
    }

    mutating func writeFinishReason(_ reason: FinishReason?, hasCalled: Bool = false) {
        switch reason {
        case .stop: writeStaticString(hasCalled ? "\"tool_calls\"" : "\"stop\"")
        case .length: writeStaticString("\"length\"")
        case nil: writeStaticString("null")
        }
    }

    /// vLLM's `prompt_logprobs`: for each prompt token its own entry and those of its alternatives, by token id.
    /// - Parameter logprobs: of the prompt's tokens from the second on.
    mutating func writePromptLogprobs(_ logprobs: [LoggedToken], alternativeCount: Int) {
        writeStaticString("[null")
        for logged in logprobs {
            writeStaticString(",")
            writeByTokenID(logged, alternativeCount: alternativeCount)
        }
        writeStaticString("]")
    }

    /// A token and its alternatives as vLLM shows them: `{"504":{"logprob":…,"rank":…,"decoded_token":…},…}`.
    mutating func writeByTokenID(_ logged: LoggedToken, alternativeCount: Int) {
        writeStaticString("{")
        let rank = logged.top.firstIndex { $0.token == logged.chosen.token }.map { $0 + 1 }
        writePromptLogprob(logged.chosen, rank: rank)
        for (index, other) in logged.top.prefix(alternativeCount).enumerated()
        where other.token != logged.chosen.token {
            writeStaticString(",")
            writePromptLogprob(other, rank: index + 1)
        }
        writeStaticString("}")
    }

    private mutating func writePromptLogprob(_ token: LoggedToken.Alternative, rank: Int?) {
        writeStaticString("\"")
        writeJSON(Int(token.token))
        writeStaticString("\":{\"logprob\":")
        writeJSON(token.logprob)
        writeStaticString(",\"rank\":")
        if let rank { writeJSON(rank) } else { writeStaticString("null") }
        writeStaticString(",\"decoded_token\":")
        writeJSON(String(decoding: token.bytes, as: UTF8.self))
        writeStaticString("}")
    }
}
