import Text
import Weights

/// BERT in a GGUF file: keys under `bert`, the tokenizer model `bert`.
enum BertFile {
    /// Names in `general.architecture`.
    static let architectures = ["bert"]

    static func open(_ file: GGUFFile) throws(ModelError) -> EncoderFile {
        let source = SpecSource(file)
        let architecture = try source.architecture()
        func key(_ name: String) -> String { "\(architecture).\(name)" }
        guard try source.flag(key("attention.causal")) != true else {
            throw .unsupported("The model's attention is causal, which Apus does not compute for \(architecture).")
        }
        let contextLength = try source.requiredCount(key("context_length"))
        func rows(_ name: String) throws(ModelError) -> Int {
            guard let tensor = file.tensor(named: name) else { throw .missingTensor(name) }
            return tensor.rowCount
        }
        let spec = EncoderSpec(
            architecture: architecture, name: try source.string("general.name"),
            vocabularySize: try source.vocabularySize(), contextLength: contextLength,
            positionCount: try rows(EncoderTensor.positions), segmentCount: try rows(EncoderTensor.segments),
            layerCount: try source.requiredCount(key("block_count")),
            width: try source.requiredCount(key("embedding_length")),
            headCount: try source.requiredCount(key("attention.head_count")),
            feedForwardWidth: try source.requiredCount(key("feed_forward_length")),
            normEpsilon: Float(try source.requiredNumber(key("attention.layer_norm_epsilon"))),
            head: try head(source, key("pooling_type")))
        try spec.check { number in
            switch number {
            case .vocabularySize: EncoderTensor.embedding
            case .contextLength: key("context_length")
            case .positionCount: EncoderTensor.positions
            case .segmentCount: EncoderTensor.segments
            case .layerCount: key("block_count")
            case .width: key("embedding_length")
            case .headCount: key("attention.head_count")
            case .feedForwardWidth: key("feed_forward_length")
            case .normEpsilon: key("attention.layer_norm_epsilon")
            }
        }
        let known = try spec.checkTensors(file) { $0 }
        for tensor in file.tensors where !known.contains(tensor.name) {
            throw .unexpectedTensor(tensor.name, architecture: architecture)
        }
        let tokenizer: TokenizerSpec
        do throws(TokenizerError) {
            tokenizer = try TokenizerSpec(metadata: file.metadata)
        } catch {
            throw .tokenizer(error)
        }
        return EncoderFile(spec: spec, tokenizer: tokenizer, tensors: file, settings: [])
    }

    /// Source: llama.cpp's `enum llama_pooling_type`.
    private static func head(_ source: SpecSource, _ key: String) throws(ModelError) -> EncoderSpec.Head {
        switch try source.count(key) {
        case nil, 1: return .vector(.mean)
        case 2: return .vector(.first)
        case 3: return .vector(.last)
        case 4: return .score(.logit)
        case let other?:
            throw .badValue(key: key, value: "\(other)", expected: "1 (mean), 2 (CLS), 3 (last) or 4 (rank)")
        }
    }
}

extension TokenizerSpec {
    /// WordPiece as GGUF has it: words begin with U+2581, what continues one stands alone.
    init(wordPiece keys: TokenizerKeys) throws(TokenizerError) {
        let stored = try keys.required("tokens", GGUFMetadata.strings)
        var kinds = try keys.tokenKinds(count: stored.count, isRequired: true)
        guard kinds.count == stored.count else {
            throw .malformed("the tokenizer has \(stored.count) tokens and \(kinds.count) token types")
        }
        let tokens = zip(stored, kinds).map { token, kind in
            guard kind == .normal else { return token }
            return token.unicodeScalars.first == "\u{2581}" ? String(token.unicodeScalars.dropFirst()) : "##" + token
        }
        func special(_ names: [String], _ spelling: String) throws(TokenizerError) -> Int32? {
            for name in names {
                if let id = try keys.token(name, among: tokens.count, otherwise: nil) { return id }
            }
            return tokens.firstIndex(of: spelling).map { Int32(truncatingIfNeeded: $0) }
        }
        let unknown = try special(["unknown_token_id"], "[UNK]")
        let begin = try special(["cls_token_id", "bos_token_id"], "[CLS]")
        let end = try special(["seperator_token_id", "separator_token_id", "eos_token_id"], "[SEP]")
        guard let unknown, let begin, let end else {
            throw .malformed("the model file names no unknown, CLS or SEP token, and none is spelled so")
        }
        kinds[Int(unknown)] = .unknown
        // A vocabulary without capitals is for texts in lower case, where no key says it.
        let hasCapitals = zip(tokens, kinds).contains { token, kind in
            kind == .normal && token.utf8.contains { (0x41...0x5A).contains($0) }
        }
        let lowercases = try keys.read("normalizer.lowercase", GGUFMetadata.bool) ?? !hasCapitals
        self.init(
            kind: .wordPiece, preTokenizer: "", tokens: tokens, tokenKinds: kinds, bosToken: begin, eosToken: end,
            unknownToken: unknown, addsBOS: true, addsEOS: true, addsSpacePrefix: false,
            normalization: TextNormalization(stripsAccents: lowercases, lowercases: lowercases))
    }
}
