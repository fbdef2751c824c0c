import FoundationEssentials
import Inference
package import Text

/// A tokenizer on its way from a worker to a router: serialized once, cut into messages below 1 MiB.
package enum TokenizerTransfer {
    /// The messages of the answer to `Tokenizer`, in order.
    package static func chunks(_ spec: TokenizerSpec) -> [[UInt8]] {
        let whole = spec.wire.encoded()
        return stride(from: 0, to: max(whole.count, 1), by: WireLimits.chunkDataMax).map { start in
            var chunk = WireTokenizerChunk()
            chunk.totalBytes = UInt64(whole.count)
            chunk.data = Data(whole[start..<min(start + WireLimits.chunkDataMax, whole.count)])
            return chunk.encoded()
        }
    }

    /// Puts the pieces together again.
    package struct Assembly: Sendable {
        private var bytes: [UInt8] = []
        private var total: Int?

        package init() {}

        /// - Throws: when the piece contradicts those before it; what was taken stays as it was.
        package mutating func add(bytes piece: RawSpan) throws(WireError) {
            let chunk = try WireTokenizerChunk.decoded(from: piece, limit: 1 << 20)
            let announced = try FieldChecks.integer(
                "tokenizer.total_bytes", chunk.totalBytes, in: 1...WireLimits.tokenizerByteMax)
            guard announced == total ?? announced, chunk.data.count <= announced - bytes.count else {
                throw .columnsDisagree(
                    field: "tokenizer.data", count: bytes.count + chunk.data.count, expected: total ?? announced)
            }
            total = announced
            bytes.append(contentsOf: chunk.data)
        }

        package func finish() throws(WireError) -> TokenizerSpec {
            guard let total, bytes.count == total else {
                throw .incompleteTokenizer(byteCount: bytes.count, expected: total ?? 1)
            }
            return try TokenizerSpec(
                try WireTokenizer.decoded(from: bytes.span.bytes, limit: WireLimits.tokenizerByteMax))
        }
    }
}

extension TokenizerSpec {
    init(_ wire: WireTokenizer) throws(WireError) {
        let tokenCount = wire.tokens.count
        guard tokenCount > 0 else { throw .missing(field: "tokenizer.tokens") }
        try FieldChecks.count("tokenizer.token_kinds", wire.tokenKinds.count, equals: tokenCount)
        if !wire.scores.isEmpty {
            try FieldChecks.count("tokenizer.scores", wire.scores.count, equals: tokenCount)
            try FieldChecks.finite("tokenizer.scores", wire.scores)
        }
        self.init(
            kind: try Self.kind(wire.kind), preTokenizer: wire.preTokenizer, tokens: wire.tokens,
            tokenKinds: try Self.tokenKinds(wire.tokenKinds), scores: wire.scores, merges: wire.merges,
            addsBOS: wire.addsBos, addsEOS: wire.addsEos, addsSpacePrefix: wire.addsSpacePrefix,
            spacePrefixPlace: try Self.place(wire.spacePrefixPlace), composesText: wire.composesText,
            chatTemplate: wire.hasChatTemplate ? wire.chatTemplate : nil)
        if kind == .wordPiece {
            normalization = TextNormalization(
                cleansText: wire.normalization.cleansText,
                separatesIdeographs: wire.normalization.separatesIdeographs,
                stripsAccents: wire.normalization.stripsAccents, lowercases: wire.normalization.lowercases)
        }
        func inVocabulary(_ field: String, _ token: UInt32) throws(WireError) -> TokenID {
            _ = try FieldChecks.integer(field, token, in: 0...tokenCount - 1)
            return try FieldChecks.token(field, token)
        }
        if wire.hasBosToken { bosToken = try inVocabulary("tokenizer.bos_token", wire.bosToken) }
        if wire.hasEosToken { eosToken = try inVocabulary("tokenizer.eos_token", wire.eosToken) }
        if wire.hasUnknownToken { unknownToken = try inVocabulary("tokenizer.unknown_token", wire.unknownToken) }
        for token in wire.endOfTurnTokens {
            endOfTurnTokens.append(try inVocabulary("tokenizer.end_of_turn_tokens", token))
        }
        for token in wire.spaceTakingTokens {
            spaceTakingTokens.append(try inVocabulary("tokenizer.space_taking_tokens", token))
        }
        for token in wire.tokensTakingSpaceBefore {
            tokensTakingSpaceBefore.append(try inVocabulary("tokenizer.tokens_taking_space_before", token))
        }
        guard wire.hasInfillTokens else { return }
        infillTokens = InfillTokens(
            prefix: try inVocabulary("tokenizer.infill_tokens.prefix", wire.infillTokens.prefix),
            suffix: try inVocabulary("tokenizer.infill_tokens.suffix", wire.infillTokens.suffix),
            middle: try inVocabulary("tokenizer.infill_tokens.middle", wire.infillTokens.middle))
    }

    private static func kind(_ wire: WireTokenizerKind) throws(WireError) -> Kind {
        switch wire {
        case .bytePairEncoding: return .bytePairEncoding
        case .sentencePiece: return .sentencePiece
        case .wordPiece: return .wordPiece
        case .unspecified: throw .missing(field: "tokenizer.kind")
        case .UNRECOGNIZED(let value): throw .unknownValue(field: "tokenizer.kind", value: value)
        }
    }

    private static func place(_ wire: UInt32) throws(WireError) -> SpacePrefixPlace {
        guard let raw = UInt8(exactly: wire), let place = SpacePrefixPlace(rawValue: raw) else {
            throw .unknownValue(field: "tokenizer.space_prefix_place", value: Int(wire))
        }
        return place
    }

    private static func tokenKinds(_ wire: Data) throws(WireError) -> [TokenKind] {
        var kinds: [TokenKind] = []
        kinds.reserveCapacity(wire.count)
        for code in wire {
            guard let kind = TokenKind(rawValue: code) else {
                throw .unknownValue(field: "tokenizer.token_kinds", value: Int(code))
            }
            kinds.append(kind)
        }
        return kinds
    }

    var wire: WireTokenizer {
        var wire = WireTokenizer()
        switch kind {
        case .bytePairEncoding: wire.kind = .bytePairEncoding
        case .sentencePiece: wire.kind = .sentencePiece
        case .wordPiece:
            wire.kind = .wordPiece
            wire.normalization.cleansText = normalization.cleansText
            wire.normalization.separatesIdeographs = normalization.separatesIdeographs
            wire.normalization.stripsAccents = normalization.stripsAccents
            wire.normalization.lowercases = normalization.lowercases
        }
        wire.preTokenizer = preTokenizer
        wire.tokens = tokens
        wire.tokenKinds = Data(tokenKinds.map(\.rawValue))
        wire.scores = scores
        wire.merges = merges
        if let bosToken { wire.bosToken = UInt32(bitPattern: bosToken) }
        if let eosToken { wire.eosToken = UInt32(bitPattern: eosToken) }
        if let unknownToken { wire.unknownToken = UInt32(bitPattern: unknownToken) }
        wire.endOfTurnTokens = endOfTurnTokens.map { UInt32(bitPattern: $0) }
        if let infillTokens {
            wire.infillTokens.prefix = UInt32(bitPattern: infillTokens.prefix)
            wire.infillTokens.suffix = UInt32(bitPattern: infillTokens.suffix)
            wire.infillTokens.middle = UInt32(bitPattern: infillTokens.middle)
        }
        wire.addsBos = addsBOS
        wire.addsEos = addsEOS
        wire.addsSpacePrefix = addsSpacePrefix
        wire.spacePrefixPlace = UInt32(spacePrefixPlace.rawValue)
        wire.composesText = composesText
        wire.spaceTakingTokens = spaceTakingTokens.map { UInt32(bitPattern: $0) }
        wire.tokensTakingSpaceBefore = tokensTakingSpaceBefore.map { UInt32(bitPattern: $0) }
        if let chatTemplate { wire.chatTemplate = chatTemplate }
        return wire
    }
}
