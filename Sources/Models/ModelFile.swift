package import Kernels
package import Text
import Weights

/// A model on disk, looked at and not loaded: a GGUF file, or a folder as Hugging Face lays it out.
package enum ModelFile: Sendable {
    case decoder(DecoderFile)
    case encoder(EncoderFile)

    package static func isFolder(_ path: String) -> Bool { ModelFolder(path: path) != nil }

    package init(path: String) throws(ModelError) {
        if let folder = ModelFolder(path: path) {
            self = try Self.open(folder)
            return
        }
        let file = try ModelError.translating { () throws(GGUFError) in try GGUFFile(path: path) }
        let isEncoder = BertFile.architectures.contains(try SpecSource(file).architecture())
        self = isEncoder ? .encoder(try BertFile.open(file)) : .decoder(try DecoderFile(file))
    }

    private static func open(_ folder: ModelFolder) throws(ModelError) -> ModelFile {
        guard let config = try HuggingFaceFields("config.json", in: folder) else {
            throw .folder(ModelFolderError(path: folder.path, reason: "the folder has no config.json"))
        }
        let type = try config.string("model_type")
        if type == HuggingFaceBert.modelType { return .encoder(try HuggingFaceBert.open(folder, config)) }
        guard let type, let family = ArchitectureTable.huggingFace[type] else {
            let names = (Array(ArchitectureTable.huggingFace.keys) + [HuggingFaceBert.modelType]).sorted()
            throw config.bad("model_type", "one of \(names.joined(separator: ", "))")
        }
        return .decoder(try HuggingFaceDecoder.open(folder, config, family))
    }

    package func tokenizer() throws(ModelError) -> TokenizerSpec {
        switch self {
        case .decoder(let file): try file.tokenizer()
        case .encoder(let file): file.tokenizer
        }
    }

    /// Looks, whenever it is called, whether the weights' files still hold what they hold now. May wait for the file
    /// system.
    package func watch() -> @Sendable () -> Bool {
        let marks =
            switch self {
            case .decoder(let file): file.tensors.marks()
            case .encoder(let file): file.tensors.marks()
            }
        return { marks.allSatisfy(\.isIntact) }
    }

    /// What a worker will take, without loading anything.
    /// - Throws: `tooLittleMemory` when the machine has less.
    package func memoryUse(_ options: TransformerOptions, _ limits: MachineLimits) throws(ModelError) -> MemoryUse {
        switch self {
        case .decoder(let file):
            MemoryUse(try MemoryPlan(file.spec, file.tensors, options: options, limits: limits))
        case .encoder(let file): MemoryUse(try EncoderPlan(file, options: options, limits: limits))
        }
    }

    /// Loads the model: checks it against the machine, then repacks its weights.
    package func load(
        _ options: TransformerOptions, _ limits: MachineLimits
    ) throws(ModelError) -> (runtime: any ModelRuntime, use: MemoryUse) {
        switch self {
        case .decoder(let file):
            let transformer = try Transformer(file, options: options, limits: limits)
            return (transformer, MemoryUse(transformer.plan))
        case .encoder(let file):
            let encoder = try Encoder(file, options: options, limits: limits)
            return (encoder, MemoryUse(encoder.plan))
        }
    }
}

/// What a worker takes of a machine for a model, of whichever kind.
package struct MemoryUse: Equatable, Sendable {
    package var weightByteCount: Int
    /// 0 where texts are read as a whole.
    package var kvByteCount: Int
    package var kvType: KVType?
    package var activationByteCount: Int
    package var threadCount: Int

    init(_ plan: MemoryPlan) {
        (weightByteCount, kvByteCount, kvType) = (plan.weightByteCount, plan.kvByteCount, plan.kvType)
        (activationByteCount, threadCount) = (plan.activationByteCount, plan.threadCount)
    }

    init(_ plan: EncoderPlan) {
        (weightByteCount, kvByteCount, kvType) = (plan.weightByteCount, 0, nil)
        (activationByteCount, threadCount) = (plan.activationByteCount, plan.threadCount)
    }
}
