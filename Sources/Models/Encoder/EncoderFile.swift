package import Text
import Weights

/// An encoder on disk, looked at and not loaded: what it is, and where its weights are.
package struct EncoderFile: Sendable {
    package var spec: EncoderSpec
    package var tokenizer: TokenizerSpec
    /// By GGUF's names.
    let tensors: any TensorFile
    /// Bytes beside the weights that decide what comes out.
    let settings: [UInt8]

    /// Equal digests give equal answers. Reads all the weights: ask once.
    func digest() -> String {
        let weights = tensors.contentDigest().description
        guard !settings.isEmpty else { return weights }
        return weights + "-" + settings.withUnsafeBytes { ContentDigest(of: $0) }.description
    }
}
