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
    func digest() -> String { tensors.contentDigest(with: settings) }
}
