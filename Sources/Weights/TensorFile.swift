/// A file of tensors, mapped and checked, whatever its format.
///
/// Types and shapes are told in GGUF's words: other formats hold a part of what GGUF can.
package protocol TensorFile: AnyObject, Sendable {
    /// nil when there is none of that name in a type that Apus reads.
    func tensor(named name: String) -> GGUFTensor?
    /// The tensor's bytes. Valid while this file lives. Need not be aligned.
    func bytes(of tensor: GGUFTensor) -> UnsafeRawBufferPointer
    /// All numbers of a tensor, as they are computed with. Plain and slow: for vectors and small tables.
    func values(of tensor: GGUFTensor) -> [Float]
    /// A digest of every byte of the file. Reads it all: ask once.
    func contentDigest() -> ContentDigest
    /// What the files hold now, to notice when they do no more.
    func marks() -> [FileMark]
}

extension TensorFile {
    package func values(of tensor: GGUFTensor) -> [Float] {
        Dequantization.values(of: bytes(of: tensor), type: tensor.type)
    }
}
