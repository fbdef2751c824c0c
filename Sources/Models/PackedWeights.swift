import Kernels
import Synchronization
import Weights

/// A model's weights in memory, repacked. Lives as long as the transformer.
final class PackedWeights {
    // SAFETY: a layer points into this object's arena and lists, which are never freed before it is.
    struct Layer {
        var attentionNorm: Norm
        var queryKeyValue: PackedMatrix
        /// Of the panels of Q, K and V, padding included; nil when the model has none.
        var queryKeyValueBias: UnsafePointer<Float>?
        /// Of each head; nil when the model has none.
        var queryNorm: UnsafePointer<Float>?
        var keyNorm: UnsafePointer<Float>?
        /// Which of the rotations queries and keys go through.
        var ropeIndex: Int
        /// Tokens that a token sees, itself among them; 0 is all before it.
        var window: Int32
        var attentionOutput: PackedMatrix
        var attentionEnd: BranchEnd
        var feedForwardNorm: Norm
        /// Nil where all tokens share one feed-forward.
        var router: PackedMatrix?
        var gateUp: PackedMatrix
        var upBias: UnsafePointer<Float>?
        var down: PackedMatrix
        var feedForwardEnd: BranchEnd
    }

    // SAFETY: as a layer's.
    struct Norm {
        var weight: UnsafePointer<Float>
        /// Of a LayerNorm; nil is an RMSNorm.
        var bias: UnsafePointer<Float>?
    }

    /// What a branch's output goes through before it is added to the residual stream.
    // SAFETY: as a layer's.
    struct BranchEnd {
        var bias: UnsafePointer<Float>?
        /// Of an RMSNorm.
        var norm: UnsafePointer<Float>?

        var isPlain: Bool { bias == nil && norm == nil }
    }

    let layers: UnsafeBufferPointer<Layer>
    let outputNorm: Norm
    let output: PackedMatrix

    private let arena: MemoryArena
    private var lists: [UnsafeMutableRawPointer] = []

    /// Repacks all weights of `file` with all threads of `team`; quantizes those that the plan wants quantized.
    init(_ spec: ModelSpec, _ plan: WeightPlan, _ file: any TensorFile, team: ThreadTeam) throws(ModelError) {
        arena = try .reserved(byteCount: plan.byteCount)
        try Self.pack(plan.panels, file, into: arena, team: team)

        var lists: [UnsafeMutableRawPointer] = []
        let start = UnsafePointer(arena.start.assumingMemoryBound(to: UInt8.self))
        func matrix(_ plan: WeightPlan.Matrix) -> PackedMatrix { Self.matrix(plan, start, &lists) }
        func values(_ name: String) throws(ModelError) -> [Float] {
            guard let tensor = file.tensor(named: name) else { throw .missingTensor(name) }
            return file.values(of: tensor)
        }
        func vector(_ name: String, if isThere: Bool = true) throws(ModelError) -> UnsafePointer<Float>? {
            isThere ? Self.keep(try values(name), &lists) : nil
        }
        func norm(_ weight: String, _ bias: String) throws(ModelError) -> Norm {
            Norm(weight: Self.keep(try values(weight), &lists), bias: try vector(bias, if: spec.norm == .layer))
        }
        func end(bias: String, norm: String) throws(ModelError) -> BranchEnd {
            BranchEnd(
                bias: try vector(bias, if: spec.hasBranchBias), norm: try vector(norm, if: spec.hasBranchNorms))
        }
        var layers: [Layer] = []
        for (index, layer) in plan.layers.enumerated() {
            var bias: [Float] = []
            for part in spec.hasAttentionBias ? spec.queryKeyValueParts(index, isBias: true) : [] {
                let stored = try values(part.name)
                let rows = part.rows ?? 0..<stored.count
                bias += (0..<rows.count).map { stored[rows.lowerBound + part.order.storedRow($0)] }
                bias += [Float](repeating: 0, count: (32 - rows.count % 32) % 32)
            }
            let isWindowed = spec.isWindowed(index)
            let window = spec.window.map { $0.size < spec.contextLength && isWindowed ? $0.size : 0 } ?? 0
            layers.append(
                Layer(
                    attentionNorm: try norm(TensorName.attentionNorm(index), TensorName.attentionNormBias(index)),
                    queryKeyValue: matrix(layer.queryKeyValue),
                    queryKeyValueBias: bias.isEmpty ? nil : Self.keep(bias, &lists),
                    queryNorm: try vector(TensorName.queryNorm(index), if: spec.hasHeadNorms),
                    keyNorm: try vector(TensorName.keyNorm(index), if: spec.hasHeadNorms),
                    ropeIndex: isWindowed ? max(0, spec.ropes.count - 1) : 0,
                    window: Int32(truncatingIfNeeded: window),
                    attentionOutput: matrix(layer.attentionOutput),
                    attentionEnd: try end(
                        bias: TensorName.attentionOutputBias(index), norm: TensorName.attentionBranchNorm(index)),
                    feedForwardNorm: try norm(
                        TensorName.feedForwardNorm(index), TensorName.feedForwardNormBias(index)),
                    router: layer.router.map(matrix), gateUp: matrix(layer.gateUp),
                    upBias: try vector(TensorName.upBias(index), if: spec.feedForward.gate == .gelu),
                    down: matrix(layer.down),
                    feedForwardEnd: try end(
                        bias: TensorName.downBias(index), norm: TensorName.feedForwardBranchNorm(index))))
        }
        outputNorm = try norm(TensorName.outputNorm, TensorName.outputNormBias)
        output = matrix(plan.output)
        self.layers = UnsafeBufferPointer(start: Self.keep(layers, &lists), count: layers.count)
        self.lists = lists
    }

    deinit {
        for list in lists { list.deallocate() }
    }

    /// Repacks panels into an arena that has room for all of them.
    static func pack(
        _ panels: [WeightPlan.Panel], _ file: any TensorFile, into arena: MemoryArena, team: ThreadTeam
    ) throws(ModelError) {
        // The first panel with a number that its type cannot hold.
        let refused = Atomic<Int>(.max)
        // SAFETY: each panel has its own bytes of the arena, sizes and offsets come from one plan; the rows lie in the
        // file's mapping, whose tensors were checked when it was opened.
        let start = arena.start.assumingMemoryBound(to: UInt8.self)
        panels.withUnsafeBufferPointer { panels in
            team.run { member in
                for index in member.share(panels.count) {
                    let panel = panels[index]
                    let isHeld = Self.withStoredRows(of: panel, in: file) { rows in
                        Self.withRows(rows, of: panel, in: panel.type) { rows in
                            Kernels.packPanel(
                                format: panel.type.rawValue, rows: rows, columns: panel.columnCount,
                                into: start + panel.byteOffset)
                        }
                    }
                    if !isHeld { refused.min(index, ordering: .relaxed) }
                }
            }
        }
        let index = refused.load(ordering: .relaxed)
        if panels.indices.contains(index) {
            throw .unholdable(tensor: panels[index].tensor.name, type: panels[index].type)
        }
    }

    /// Hands `body` a panel's rows as the file's type has them; nil is a row of zeros.
    private static func withStoredRows(
        of panel: WeightPlan.Panel, in file: any TensorFile, _ body: ([UnsafePointer<UInt8>?]) -> Bool
    ) -> Bool {
        let stored = file.bytes(of: panel.tensor).baseAddress?.assumingMemoryBound(to: UInt8.self)
        var rows = [UnsafePointer<UInt8>?](repeating: nil, count: Kernels.panelRowCount)
        guard panel.isTransposed, let stored else {
            for row in 0..<panel.rowCount {
                rows[row] = stored?.advanced(by: panel.storedRow(row) * panel.tensor.rowByteCount)
            }
            return body(rows)
        }
        // Only tensors of floats are transposed: their blocks are single numbers.
        let size = panel.tensor.type.blockByteCount
        let rowByteCount = panel.columnCount * size
        // SAFETY: the memory has room for every row, the tensor a number for every row and column; nobody keeps a pointer.
        return withUnsafeTemporaryAllocation(byteCount: panel.rowCount * rowByteCount, alignment: 64) { memory in
            guard let start = memory.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return true }
            for row in 0..<panel.rowCount { rows[row] = UnsafePointer(start + row * rowByteCount) }
            for column in 0..<panel.columnCount {
                let numbers = stored + column * panel.tensor.rowByteCount
                for row in 0..<panel.rowCount {
                    (start + row * rowByteCount + column * size).update(
                        from: numbers + panel.storedRow(row) * size, count: size)
                }
            }
            return body(rows)
        }
    }

    /// Hands `body` a panel's rows in the type that they are packed in.
    /// - Parameter rows: as the file has them; nil is a row of zeros.
    /// - Returns: whether that type holds all their numbers.
    private static func withRows(
        _ rows: [UnsafePointer<UInt8>?], of panel: WeightPlan.Panel, in type: GGUFTensorType,
        _ body: ([UnsafePointer<UInt8>?]) -> Void
    ) -> Bool {
        guard type != panel.tensor.type else {
            body(rows)
            return true
        }
        var conversion = NumberConversion(from: panel.tensor.type, to: type)
        let columns = panel.columnCount
        let rowByteCount = NumberConversion.byteCount(columns, type)
        // SAFETY: the memory has room for every row, and nobody keeps a pointer into it.
        return withUnsafeTemporaryAllocation(byteCount: rows.count * rowByteCount, alignment: 64) { memory in
            guard let start = memory.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return true }
            var isHeld = true
            var converted = rows
            for (index, stored) in rows.enumerated() {
                guard let stored else { continue }
                let row = start + index * rowByteCount
                let fits = conversion.convert(stored, count: columns, into: row)
                isHeld = isHeld && fits
                converted[index] = UnsafePointer(row)
            }
            body(converted)
            return isHeld
        }
    }

    /// A matrix whose panels lie from `start` on.
    /// - Parameter lists: gets what must live as long as the matrix.
    static func matrix(
        _ plan: WeightPlan.Matrix, _ start: UnsafePointer<UInt8>, _ lists: inout [UnsafeMutableRawPointer]
    ) -> PackedMatrix {
        var runs: [PackedMatrix.Run] = []
        for (index, panel) in plan.panels.enumerated() {
            let format = panel.type.rawValue
            if let last = runs.indices.last, runs[last].format == format {
                runs[last].panelCount += 1
            } else {
                runs.append(
                    PackedMatrix.Run(
                        format: format, takesQuantized: Kernels.takesQuantized(format: format), firstPanel: index,
                        panelCount: 1, panels: start + panel.byteOffset))
            }
        }
        return PackedMatrix(
            columnCount: plan.columnCount, panelCount: plan.panels.count,
            runs: UnsafeBufferPointer(start: keep(runs, &lists), count: runs.count))
    }

    /// Copies values to memory that lives until `lists` is freed.
    static func keep<T>(_ values: [T], _ lists: inout [UnsafeMutableRawPointer]) -> UnsafePointer<T> {
        let bytes = UnsafeMutableRawPointer.allocate(
            byteCount: max(1, values.count) * MemoryLayout<T>.stride, alignment: 64)
        lists.append(bytes)
        return UnsafePointer(bytes.initializeMemory(as: T.self, from: values, count: values.count))
    }
}
