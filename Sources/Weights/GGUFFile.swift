/// A GGUF file, mapped and checked. Nothing is copied: tensors are ranges of the mapping, which lives as long as this.
package final class GGUFFile: TensorFile {
    package let path: String
    package let version: UInt32
    package let metadata: GGUFMetadata
    /// In the order of the file.
    package let tensors: [GGUFTensor]
    package let fileByteCount: Int

    private let mapping: FileMapping
    private let indexes: [String: Int]

    /// Maps the file and checks its whole header; costs nothing per byte of tensor data.
    package init(path: String) throws(GGUFError) {
        self.path = path
        do throws(UnreadableFile) {
            mapping = try FileMapping(path: path)
        } catch {
            throw GGUFError(path: path, fault: .unreadable(reason: error.reason))
        }
        fileByteCount = mapping.bytes.count
        let header: GGUFHeader
        do throws(GGUFFault) {
            header = try GGUFHeader(mapping.bytes)
        } catch {
            throw GGUFError(path: path, fault: error)
        }
        version = header.version
        metadata = GGUFMetadata(mapping: mapping, path: path, keys: header.keys, entries: header.entries)
        tensors = header.tensors
        indexes = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
    }

    package func tensor(named name: String) -> GGUFTensor? {
        indexes[name].map { tensors[$0] }
    }

    /// The tensor's bytes. Valid while this file lives.
    package func bytes(of tensor: GGUFTensor) -> UnsafeRawBufferPointer {
        precondition(
            tensor.offset >= 0 && tensor.byteCount <= fileByteCount
                && tensor.offset <= fileByteCount - tensor.byteCount,
            "the tensor \(tensor.name) is of another file")
        return UnsafeRawBufferPointer(rebasing: mapping.bytes[tensor.offset..<tensor.offset + tensor.byteCount])
    }

    /// Whether `path` leads to this very file, by whatever name.
    package func isFile(at path: String) -> Bool { mapping.isFile(at: path) }

    /// A digest of every byte of the file. Reads it all, at memory speed when it is cached: ask once.
    package func contentDigest() -> ContentDigest {
        mapping.willReadAll()
        return ContentDigest(of: mapping.bytes)
    }

    package func marks() -> [FileMark] { [FileMark(mapping)] }
}
