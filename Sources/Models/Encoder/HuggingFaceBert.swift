import JSON
import Text
import Weights

/// BERT in a folder as Hugging Face and sentence-transformers lay it out: config.json, model.safetensors, a tokenizer,
/// and how tokens become one vector in 1_Pooling/config.json.
enum HuggingFaceBert {
    private static let weightsName = "model.safetensors"

    static let modelType = "bert"

    static func open(_ folder: ModelFolder, _ config: HuggingFaceFields) throws(ModelError) -> EncoderFile {
        try config.expect("hidden_act", "gelu")
        try config.expect("position_embedding_type", "absolute")
        if try config.flag("is_decoder") == true { throw config.bad("is_decoder", "false") }

        let file: SafetensorsFile
        do throws(SafetensorsError) {
            file = try SafetensorsFile(path: folder.path(of: weightsName))
        } catch {
            throw .weights(error)
        }
        let prefix = file.tensor(named: "bert.embeddings.word_embeddings.weight") == nil ? "" : "bert."
        let spec = try spec(config, folder)
        try spec.check { config.path + "'s " + key($0) }
        let stored = { @Sendable (name: String) in storedName(name, prefix: prefix) }
        for (name, _) in spec.tensorShapes {
            guard let type = file.otherTypes[stored(name)] else { continue }
            throw .unsupported("The tensor \(stored(name)) is stored as \(type); F32, F16 and BF16 are read.")
        }
        let known = try spec.checkTensors(file, stored: stored)
        for name in file.tensors.keys.sorted() where !known.contains(name) && !isUnused(name) {
            throw .unexpectedTensor(name, architecture: spec.architecture)
        }
        let tokenizer: TokenizerSpec
        do throws(TokenizerError) {
            tokenizer = try HuggingFaceWordPiece.read(folder)
        } catch {
            throw .tokenizer(error)
        }
        guard tokenizer.tokens.count <= spec.vocabularySize else {
            throw .unsupported(
                "The tokenizer has \(tokenizer.tokens.count) tokens, the model's embedding \(spec.vocabularySize).")
        }
        return EncoderFile(
            spec: spec, tokenizer: tokenizer, tensors: RenamedTensors(file, stored: stored),
            settings: try settings(folder))
    }

    // MARK: - Config

    private static func spec(
        _ config: HuggingFaceFields, _ folder: ModelFolder
    ) throws(ModelError) -> EncoderSpec {
        let positionCount = try config.requiredCount("max_position_embeddings")
        let limit = try HuggingFaceFields("sentence_bert_config.json", in: folder)?.count("max_seq_length")
        return EncoderSpec(
            architecture: "bert", name: nil, vocabularySize: try config.requiredCount("vocab_size"),
            contextLength: min(limit ?? positionCount, positionCount), positionCount: positionCount,
            segmentCount: try config.requiredCount("type_vocab_size"),
            layerCount: try config.requiredCount("num_hidden_layers"),
            width: try config.requiredCount("hidden_size"),
            headCount: try config.requiredCount("num_attention_heads"),
            feedForwardWidth: try config.requiredCount("intermediate_size"),
            normEpsilon: Float(try config.requiredNumber("layer_norm_eps")),
            head: try head(config, folder))
    }

    private static func key(_ number: EncoderSpec.Number) -> String {
        switch number {
        case .vocabularySize: "vocab_size"
        case .contextLength: "max_seq_length"
        case .positionCount: "max_position_embeddings"
        case .segmentCount: "type_vocab_size"
        case .layerCount: "num_hidden_layers"
        case .width: "hidden_size"
        case .headCount: "num_attention_heads"
        case .feedForwardWidth: "intermediate_size"
        case .normEpsilon: "layer_norm_eps"
        }
    }

    private static func head(
        _ config: HuggingFaceFields, _ folder: ModelFolder
    ) throws(ModelError) -> EncoderSpec.Head {
        guard case .array(let names)? = config.value("architectures"), case .string(let name)? = names.first,
            names.count == 1
        else { throw config.bad("architectures", "a list of one name") }
        switch name {
        case "BertModel", "BertForMaskedLM": return .vector(try pooling(folder))
        case "BertForSequenceClassification": return .score(try scale(config))
        default:
            throw .unsupported(
                "The architecture \(name.prefix(80)) is not supported; supported are BertModel, BertForMaskedLM and "
                    + "BertForSequenceClassification.")
        }
    }

    /// sentence-transformers' last steps: pooling as they say, and a length of 1, which is given to every vector here.
    private static func pooling(_ folder: ModelFolder) throws(ModelError) -> EncoderSpec.TokenPooling {
        try checkModules(folder)
        guard let fields = try HuggingFaceFields("1_Pooling/config.json", in: folder) else { return .mean }
        var modes: [String] = []
        for member in fields.object.members where member.name.hasPrefix("pooling_mode_") {
            if try fields.flag(member.name) == true { modes.append(member.name) }
        }
        guard modes.count == 1 else { throw fields.bad("pooling_mode", "one mode that is true") }
        switch modes[0] {
        case "pooling_mode_mean_tokens": return .mean
        case "pooling_mode_cls_token": return .first
        case "pooling_mode_lasttoken": return .last
        default: throw fields.bad(modes[0], "mean_tokens, cls_token or lasttoken")
        }
    }

    private static func checkModules(_ folder: ModelFolder) throws(ModelError) {
        let (name, path) = ("modules.json", folder.path(of: "modules.json"))
        let value: JSONValue?
        do throws(ModelFolderError) { value = try folder.json(name) } catch { throw .folder(error) }
        guard let value else { return }
        guard case .array(let modules) = value else {
            throw .folder(ModelFolderError(path: path, reason: "it holds \(value.kind) and no list"))
        }
        for module in modules {
            guard case .object(let fields) = module, case .string(let type)? = fields["type"],
                let kind = type.split(separator: ".").last
            else {
                throw .folder(ModelFolderError(path: path, reason: "a module has no type"))
            }
            guard ["Transformer", "Pooling", "Normalize"].contains(kind) else {
                throw .folder(
                    ModelFolderError(
                        path: path,
                        reason: "the module \(kind.prefix(80)) is not computed; Transformer, Pooling and Normalize are")
                )
            }
        }
    }

    /// A cross-encoder of one label, and what its training put behind the logit.
    private static func scale(_ config: HuggingFaceFields) throws(ModelError) -> EncoderSpec.ScoreScale {
        let labels: Int
        if case .object(let names)? = config.value("id2label") {
            labels = names.members.count
        } else {
            // What transformers assumes where nothing is said.
            labels = try config.count("num_labels") ?? 2
        }
        guard labels == 1 else {
            throw .unsupported(
                "The model has \(labels) labels; a cross-encoder that scores pairs of texts has one.")
        }
        var activation = try config.string("sbert_ce_default_activation_function")
        if case .object(let ours)? = config.value("sentence_transformers"),
            case .string(let name)? = ours["activation_fn"]
        {
            activation = name
        }
        switch activation?.split(separator: ".").last {
        case nil, "Sigmoid"?: return .probability
        case "Identity"?: return .logit
        case let other?:
            throw .unsupported(
                "The activation \(other.prefix(80)) of scores is not supported; Sigmoid and Identity are.")
        }
    }

    // MARK: - Tensors

    private static let stems = [
        "attn_q": "attention.self.query", "attn_k": "attention.self.key", "attn_v": "attention.self.value",
        "attn_output": "attention.output.dense", "attn_output_norm": "attention.output.LayerNorm",
        "ffn_up": "intermediate.dense", "ffn_down": "output.dense", "layer_output_norm": "output.LayerNorm",
    ]

    /// How the folder's file spells one of GGUF's names.
    private static func storedName(_ name: String, prefix: String) -> String {
        switch name {
        case EncoderTensor.embedding: return prefix + "embeddings.word_embeddings.weight"
        case EncoderTensor.positions: return prefix + "embeddings.position_embeddings.weight"
        case EncoderTensor.segments: return prefix + "embeddings.token_type_embeddings.weight"
        default: break
        }
        let parts = name.split(separator: ".")
        let last = parts.last ?? ""
        switch parts.first {
        case "token_embd_norm"?: return prefix + "embeddings.LayerNorm.\(last)"
        case "cls"? where parts.count == 2: return prefix + "pooler.dense.\(last)"
        case "cls"?: return "classifier.\(last)"
        default: break
        }
        guard parts.count == 4, let stem = stems[String(parts[2])] else { return name }
        return prefix + "encoder.layer.\(parts[1]).\(stem).\(last)"
    }

    /// What belongs to training or to other tasks: heads of masked words, the pooler where vectors are averaged.
    private static func isUnused(_ name: String) -> Bool {
        name.hasSuffix("position_ids") || name.hasPrefix("cls.") || name.hasPrefix("pooler.")
            || name.hasPrefix("bert.pooler.")
    }

    /// Beside the weights, what decides the answers.
    private static func settings(_ folder: ModelFolder) throws(ModelError) -> [UInt8] {
        let names = ["config.json", "1_Pooling/config.json", "sentence_bert_config.json"]
        do throws(ModelFolderError) {
            return try folder.settings(names + HuggingFaceWordPiece.fileNames)
        } catch {
            throw .folder(error)
        }
    }
}
