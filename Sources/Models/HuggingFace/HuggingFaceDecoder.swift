import Weights

/// A family as folders at Hugging Face have it.
struct HuggingFaceFamily: Sendable {
    var read: @Sendable (DecoderConfig) throws(ModelError) -> ModelSpec
    var names: HuggingFaceNames
}

/// A decoder in a folder as Hugging Face lays it out: config.json, safetensors in one file or in shards, tokenizer.json,
/// and what tokenizer_config.json, generation_config.json and chat_template.jinja say beside it.
enum HuggingFaceDecoder {
    static func open(
        _ folder: ModelFolder, _ config: HuggingFaceFields, _ family: HuggingFaceFamily
    ) throws(ModelError) -> DecoderFile {
        let config = DecoderConfig(config)
        let spec = try family.read(config)
        try spec.checkSizes { config.spelled($0) }
        try spec.checkRopeFactors(config.spelled("rope_scaling"))
        let shards: SafetensorsShards
        do throws(SafetensorsError) { shards = try SafetensorsShards(folder) } catch { throw .weights(error) }
        let names = family.names.fitted(to: shards)
        let shapes = spec.tensorShapes
        for (name, _) in shapes {
            let stored = names.stored(name)
            guard let type = shards.otherType(of: stored) else { continue }
            throw .unsupported("The tensor \(stored) is stored as \(type); F32, F16 and BF16 are read.")
        }
        let known = try spec.checkTensors(shapes, in: shards, vectors: [.f32, .f16, .bf16], stored: names.stored)
        for name in shards.names.sorted() where !known.contains(name) && !names.isUnused(name, spec) {
            throw .unexpectedTensor(name, architecture: spec.architecture)
        }
        let settings: [UInt8]
        do throws(ModelFolderError) {
            settings = try folder.settings(["config.json"] + TokenizerJSON.fileNames)
        } catch {
            throw .folder(error)
        }
        return DecoderFile(
            source: .folder(folder, shards), spec: spec, tensors: HuggingFaceTensors(shards, names), settings: settings)
    }
}
