package import Text
package import Weights

/// A decoder on disk, looked at and not loaded: what it is, and where its weights are.
package struct DecoderFile: Sendable {
    /// Where it was found.
    package enum Source: Sendable {
        case file(GGUFFile)
        case folder(ModelFolder, SafetensorsShards)
    }

    package let source: Source
    package let spec: ModelSpec
    /// By GGUF's names.
    package let tensors: any TensorFile
    /// Bytes beside those of the tensors' files that decide what comes out.
    let settings: [UInt8]

    init(source: Source, spec: ModelSpec, tensors: any TensorFile, settings: [UInt8]) {
        (self.source, self.spec, self.tensors, self.settings) = (source, spec, tensors, settings)
    }

    /// Checks the file's keys and the shapes of its tensors.
    package init(_ file: GGUFFile) throws(ModelError) {
        self.init(source: .file(file), spec: try ModelSpec(file), tensors: file, settings: [])
    }

    /// - Throws: a sentence also where the model is none that generates.
    package init(path: String) throws(ModelError) {
        guard case .decoder(let file) = try ModelFile(path: path) else {
            throw .unsupported("\(path) reads whole texts and does not generate.")
        }
        self = file
    }

    package func tokenizer() throws(ModelError) -> TokenizerSpec {
        do throws(TokenizerError) {
            return switch source {
            case .file(let file): try TokenizerSpec(metadata: file.metadata)
            case .folder(let folder, _): try TokenizerJSON.spec(of: folder, vocabularySize: spec.vocabularySize)
            }
        } catch {
            throw .tokenizer(error)
        }
    }

    /// Equal digests give equal answers. Reads all the weights: ask once.
    func digest() -> String { tensors.contentDigest(with: settings) }
}

extension TensorFile {
    /// A digest of the file, and of what else decides the model's answers.
    func contentDigest(with settings: [UInt8]) -> String {
        let weights = contentDigest().description
        guard !settings.isEmpty else { return weights }
        return weights + "-" + settings.withUnsafeBytes { ContentDigest(of: $0) }.description
    }
}
