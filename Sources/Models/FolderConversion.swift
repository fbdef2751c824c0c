import Kernels
import Text
package import Weights

/// A folder of Hugging Face as one GGUF file, with its matrices in another type: the model that the folder is when
/// ``WeightQuantization`` makes the same type of it, bit for bit. Goes through the weights piece by piece.
package struct FolderConversion: Sendable {
    /// Numbers that a thread converts between two writes.
    private static let pieceCount = 65_536

    /// What the file will hold, in its order.
    package let tensors: [GGUFFileWriter.Tensor]
    private let source: DecoderFile
    private let shards: SafetensorsShards
    private let metadata: GGUFEntries
    /// What the file's keys and tensors shall say.
    private let spec: ModelSpec
    /// Of rows of Q and K, by tensor.
    private let orders: [String: RowOrder]

    /// Reads all but the weights.
    package init(path: String, to target: GGUFConversion.Target) throws(ModelError) {
        source = try DecoderFile(path: path)
        guard case .folder(let folder, let shards) = source.source else {
            throw .unsupported("\(path) is no folder.")
        }
        self.shards = shards
        let spec = source.spec.inGGUF()
        self.spec = spec
        orders = Dictionary(
            uniqueKeysWithValues: (0..<spec.layerCount).flatMap { spec.queryKeyValueParts($0) }
                .filter { $0.order != .asStored && $0.rows == nil }.map { ($0.name, $0.order) })
        metadata = try Self.metadata(spec, try source.tokenizer(), folder, target)
        tensors = try Self.tensors(spec, source, target)
    }

    private static func metadata(
        _ spec: ModelSpec, _ tokenizer: TokenizerSpec, _ folder: ModelFolder, _ target: GGUFConversion.Target
    ) throws(ModelError) -> GGUFEntries {
        var entries = GGUFEntries()
        entries.set(spec)
        do throws(TokenizerError) {
            let json = try folder.tokenizerBytes("tokenizer.json") ?? []
            try entries.set(tokenizer, json: String(decoding: json, as: UTF8.self))
        } catch {
            throw .tokenizer(error)
        }
        entries.set(target)
        return entries
    }

    /// Factors of rotations first: with these there, the file can be read.
    private static func tensors(
        _ spec: ModelSpec, _ source: DecoderFile, _ target: GGUFConversion.Target
    ) throws(ModelError) -> [GGUFFileWriter.Tensor] {
        var tensors = spec.rotationShapes.map {
            GGUFFileWriter.Tensor(name: $0.name, type: .f32, dimensions: $0.dimensions)
        }
        for (name, dimensions) in spec.tensorShapes {
            let type: GGUFTensorType
            if dimensions.count == 1 {
                type = .f32
            } else if TensorName.staysAsStored(name) || dimensions[0] % 32 != 0 {
                guard let stored = source.tensors.tensor(named: name) else { throw .missingTensor(name) }
                type = stored.type
            } else {
                type = target.type
            }
            tensors.append(GGUFFileWriter.Tensor(name: name, type: type, dimensions: dimensions))
        }
        return tensors
    }

    /// - Parameters:
    ///   - threads: how many convert, the caller among them.
    ///   - isStopped: asked between pieces; when it says so, nothing is left behind.
    /// - Returns: the file's bytes, or nil when it was stopped.
    package func write(
        to path: String, threads: Int, isStopped: () -> Bool = { false }
    ) throws(ModelError) -> Int? {
        guard !shards.isFile(at: path) else {
            throw .unsupported("\(path) is a file to be read; the new one needs another name.")
        }
        let writer = try ModelError.translating { () throws(GGUFError) in
            try GGUFFileWriter(path: path, metadata: metadata, tensors: tensors)
        }
        for (name, _) in spec.rotationShapes { try write(factors(name), writer) }
        // Now, since nobody should wait for a file that says something else.
        try check(writer.temporaryPath)
        let team = ThreadTeam(threads: min(max(1, threads), 256))
        for tensor in tensors.dropFirst(spec.rotationShapes.count) {
            guard try write(tensor, team, writer, isStopped) else { return nil }
        }
        try ModelError.translating { () throws(GGUFError) in try writer.finish() }
        return writer.fileByteCount
    }

    /// The file says what config.json does.
    private func check(_ path: String) throws(ModelError) {
        var reason = "it would be another model"
        do throws(ModelError) {
            let file = try ModelError.translating { () throws(GGUFError) in try GGUFFile(path: path) }
            if try ModelSpec(file) == spec { return }
        } catch {
            reason = "\(error)"
        }
        throw .unsupported(
            "A GGUF file cannot say all that the folder's config.json does: serve the folder itself, with --quantize. "
                + "(\(reason.hasSuffix(".") ? reason : reason + "."))")
    }

    private func factors(_ name: String) -> [Float] {
        guard let rope = spec.ropes.first else { return [] }
        return (name == TensorName.longRopeFactors ? rope.longFactors?.factors : rope.frequencyFactors) ?? []
    }

    private func write(_ numbers: [Float], _ writer: GGUFFileWriter) throws(ModelError) {
        let bytes = numbers.flatMap { number in withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) } }
        try bytes.withUnsafeBufferPointer { bytes throws(ModelError) in
            try writer.write(own: UnsafeRawBufferPointer(bytes))
        }
    }

    // MARK: - Tensors

    /// - Returns: false when it was stopped.
    private func write(
        _ tensor: GGUFFileWriter.Tensor, _ team: ThreadTeam, _ writer: GGUFFileWriter, _ isStopped: () -> Bool
    ) throws(ModelError) -> Bool {
        for name in parts(of: tensor) {
            guard let stored = source.tensors.tensor(named: name) else { throw .missingTensor(name) }
            guard tensor.dimensions.count > 1 else {
                try write(source.tensors.values(of: stored), writer)
                continue
            }
            let rows = StoredRows(
                stored, source.tensors.bytes(of: stored), order: orders[name] ?? .asStored,
                isTransposed: source.spec.storesTransposed && name.hasPrefix("blk."))
            let step = max(1, Self.pieceCount * team.threadCount / rows.columnCount)
            for first in stride(from: 0, to: rows.count, by: step) {
                if isStopped() { return false }
                let piece = rows.bytes(first..<min(rows.count, first + step))
                defer { piece.deallocate() }
                try writer.write(
                    UnsafeRawBufferPointer(piece), of: name, as: stored.type, in: tensor.type, team: team)
            }
        }
        return true
    }

    /// The folder's tensors that make one of the file: all experts', or one.
    private func parts(of tensor: GGUFFileWriter.Tensor) -> [String] {
        guard source.spec.storesExpertsApart, let experts = spec.feedForward.experts,
            tensor.name.hasSuffix("_exps.weight")
        else { return [tensor.name] }
        let stem = tensor.name.dropLast("_exps.weight".count)
        return (0..<experts.count).map { "\(stem).\($0).weight" }
    }
}

/// Rows of a folder's matrix, in the order in which a GGUF file has them.
private struct StoredRows {
    let count: Int
    let columnCount: Int
    private let stored: UnsafeRawBufferPointer
    /// Bytes of a number: folders hold no blocks.
    private let size: Int
    /// The folder's row that becomes each; empty where all stay in their places.
    private let places: [Int]
    private let isTransposed: Bool

    init(_ tensor: GGUFTensor, _ stored: UnsafeRawBufferPointer, order: RowOrder, isTransposed: Bool) {
        (count, columnCount) =
            isTransposed ? (tensor.columnCount, tensor.rowCount) : (tensor.rowCount, tensor.columnCount)
        (self.stored, size, self.isTransposed) = (stored, tensor.type.blockByteCount, isTransposed)
        var places: [Int] = []
        if order != .asStored {
            places = Array(0..<count)
            for row in 0..<count { places[order.storedRow(row)] = row }
        }
        self.places = places
    }

    /// A copy of some rows; the caller deallocates it.
    func bytes(_ rows: Range<Int>) -> UnsafeMutableRawBufferPointer {
        let rowByteCount = columnCount * size
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: rows.count * rowByteCount, alignment: 64)
        guard isTransposed else {
            for (place, row) in rows.enumerated() {
                let start = (places.isEmpty ? row : places[row]) * rowByteCount
                UnsafeMutableRawBufferPointer(rebasing: copy[(place * rowByteCount)...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: stored[start..<start + rowByteCount]))
            }
            return copy
        }
        for column in 0..<columnCount {
            for (place, row) in rows.enumerated() {
                let (from, into) = ((column * count + row) * size, (place * columnCount + column) * size)
                for byte in 0..<size { copy[into + byte] = stored[from + byte] }
            }
        }
        return copy
    }
}
