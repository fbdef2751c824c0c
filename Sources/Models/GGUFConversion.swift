import Kernels
package import Weights

/// A GGUF file with its matrices in another type. Goes through the file piece by piece, so that it needs little memory
/// whatever the file's size.
///
/// Matrices are tensors of two and more dimensions whose rows are a multiple of 32; all other tensors, and the metadata
/// but for what tells the types, stay as they are; so do routers of experts and position embeddings.
package struct GGUFConversion {
    /// What matrices become.
    package enum Target: String, CaseIterable, Sendable {
        case q8_0
        case q4_0
        case f16
        case f32

        package var type: GGUFTensorType {
            switch self {
            case .q8_0: .q8_0
            case .q4_0: .q4_0
            case .f16: .f16
            case .f32: .f32
            }
        }

        /// `general.file_type`. Source: llama.cpp's `enum llama_ftype`.
        var fileType: UInt32 {
            switch self {
            case .f32: 0
            case .f16: 1
            case .q4_0: 2
            case .q8_0: 7
            }
        }
    }

    /// Numbers that a thread converts between two writes; a multiple of every block.
    private static let pieceCount = 65_536

    package let file: GGUFFile
    package let target: Target

    package init(_ file: GGUFFile, to target: Target) {
        self.file = file
        self.target = target
    }

    /// What a tensor of the file becomes.
    package func type(of tensor: GGUFTensor) -> GGUFTensorType {
        tensor.dimensions.count >= 2 && tensor.columnCount % 32 == 0 && !TensorName.staysAsStored(tensor.name)
            ? target.type : tensor.type
    }

    /// - Parameters:
    ///   - threads: how many convert, the caller among them.
    ///   - isStopped: asked between pieces; when it says so, nothing is left behind.
    /// - Returns: the new file's bytes, or nil when it was stopped.
    package func write(
        to path: String, threads: Int, isStopped: () -> Bool = { false }
    ) throws(ModelError) -> Int? {
        guard !file.isFile(at: path) else {
            throw .unsupported("\(path) is the file to be read; the new one needs another name.")
        }
        let writer = try ModelError.translating { () throws(GGUFError) in
            try GGUFFileWriter(
                path: path, metadata: metadata(),
                tensors: file.tensors.map {
                    GGUFFileWriter.Tensor(name: $0.name, type: type(of: $0), dimensions: $0.dimensions)
                })
        }
        let team = ThreadTeam(threads: min(max(1, threads), 256))
        for tensor in file.tensors {
            let type = type(of: tensor)
            for piece in pieces(of: tensor, threads: type == tensor.type ? 1 : team.threadCount) {
                if isStopped() { return nil }
                try writer.write(bytes(piece, of: tensor), of: tensor.name, as: tensor.type, in: type, team: team)
            }
        }
        try ModelError.translating { () throws(GGUFError) in try writer.finish() }
        return writer.fileByteCount
    }

    private func metadata() throws(GGUFError) -> GGUFEntries {
        var entries = try GGUFEntries(copying: file.metadata)
        entries.set(target)
        return entries
    }

    /// A tensor's numbers, in parts that are whole blocks. Rows need not be told apart: they are whole blocks too.
    private func pieces(of tensor: GGUFTensor, threads: Int) -> [Range<Int>] {
        let (count, most) = (tensor.columnCount * tensor.rowCount, Self.pieceCount * threads)
        return stride(from: 0, to: count, by: most).map { $0..<min(count, $0 + most) }
    }

    private func bytes(_ numbers: Range<Int>, of tensor: GGUFTensor) -> UnsafeRawBufferPointer {
        let start = NumberConversion.byteCount(numbers.lowerBound, tensor.type)
        let count = NumberConversion.byteCount(numbers.count, tensor.type)
        return UnsafeRawBufferPointer(rebasing: file.bytes(of: tensor)[start..<start + count])
    }
}

extension GGUFFileWriter {
    /// Writes numbers of a tensor, perhaps in another type.
    /// - Parameter stored: whole blocks of both types.
    func write(
        _ stored: UnsafeRawBufferPointer, of tensor: String, as source: GGUFTensorType, in target: GGUFTensorType,
        team: ThreadTeam
    ) throws(ModelError) {
        guard source != target else { return try write(own: stored) }
        let count = stored.count / source.blockByteCount * source.blockElementCount
        let converted = UnsafeMutableRawBufferPointer.allocate(
            byteCount: NumberConversion.byteCount(count, target), alignment: 64)
        defer { converted.deallocate() }
        let isHeld = NumberConversion.convert(
            stored, from: source, to: target, count: count, into: converted, team: team)
        guard isHeld else { throw .unholdable(tensor: tensor, type: target) }
        try write(own: UnsafeRawBufferPointer(converted))
    }

    func write(own bytes: UnsafeRawBufferPointer) throws(ModelError) {
        try ModelError.translating { () throws(GGUFError) in try write(bytes) }
    }
}

extension GGUFEntries {
    /// Keys that tell the types of a file's tensors.
    mutating func set(_ target: GGUFConversion.Target) {
        set("general.file_type", to: target.fileType)
        // Quantized files must say in which version of the formats: the second is the one that all speak today.
        if target.type.blockElementCount > 1 { set("general.quantization_version", to: 2) }
    }
}
