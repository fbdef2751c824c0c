/// A safetensors file, mapped and checked. Nothing is copied: tensors are ranges of the mapping, which lives as long as
/// this.
package final class SafetensorsFile: TensorFile {
    package let path: String
    /// By name: what is stored in a type that Apus reads.
    package let tensors: [String: GGUFTensor]
    /// By name: the type of what is stored otherwise, in the file's own word.
    package let otherTypes: [String: String]

    private let mapping: FileMapping

    /// Maps the file and checks its whole header; costs nothing per byte of tensor data.
    package init(path: String) throws(SafetensorsError) {
        self.path = path
        do throws(UnreadableFile) {
            mapping = try FileMapping(path: path)
        } catch {
            throw SafetensorsError(path: path, fault: .unreadable(reason: error.reason))
        }
        do throws(SafetensorsFault) {
            let header = try SafetensorsHeader(mapping.bytes)
            (tensors, otherTypes) = (header.tensors, header.otherTypes)
        } catch {
            throw SafetensorsError(path: path, fault: error)
        }
    }

    /// All names, of types that Apus reads and others.
    var names: [String] { Array(tensors.keys) + otherTypes.keys }

    package func tensor(named name: String) -> GGUFTensor? { tensors[name] }

    package func bytes(of tensor: GGUFTensor) -> UnsafeRawBufferPointer {
        precondition(
            tensor.offset >= 0 && tensor.byteCount <= mapping.bytes.count
                && tensor.offset <= mapping.bytes.count - tensor.byteCount,
            "the tensor \(tensor.name) is of another file")
        return UnsafeRawBufferPointer(rebasing: mapping.bytes[tensor.offset..<tensor.offset + tensor.byteCount])
    }

    /// Whether `path` leads to this very file, by whatever name.
    func isFile(at path: String) -> Bool { mapping.isFile(at: path) }

    package func contentDigest() -> ContentDigest {
        mapping.willReadAll()
        return ContentDigest(of: mapping.bytes)
    }

    package func marks() -> [FileMark] { [FileMark(mapping)] }
}
