import Kernels
import Synchronization
import Weights

/// A model's weights in memory, repacked. Lives as long as the transformer.
final class PackedWeights {
    // SAFETY: a layer points into this object's arena and lists, which are never freed before it is.
    struct Layer {
        var attentionNorm: UnsafePointer<Float>
        var queryKeyValue: PackedMatrix
        /// Of the panels of Q, K and V, padding included; nil when the model has none.
        var queryKeyValueBias: UnsafePointer<Float>?
        /// Of each head; nil when the model has none.
        var queryNorm: UnsafePointer<Float>?
        var keyNorm: UnsafePointer<Float>?
        var attentionOutput: PackedMatrix
        var feedForwardNorm: UnsafePointer<Float>
        var gateUp: PackedMatrix
        var down: PackedMatrix
    }

    let layers: UnsafeBufferPointer<Layer>
    let outputNorm: UnsafePointer<Float>
    let output: PackedMatrix

    private let arena: MemoryArena
    private var lists: [UnsafeMutableRawPointer] = []

    /// Repacks all weights of `file` with all threads of `team`; quantizes those that the plan wants quantized.
    init(_ spec: ModelSpec, _ plan: WeightPlan, _ file: GGUFFile, team: ThreadTeam) throws(ModelError) {
        arena = try .reserved(byteCount: plan.byteCount)
        try Self.pack(plan.panels, file, into: arena, team: team)

        var lists: [UnsafeMutableRawPointer] = []
        let start = UnsafePointer(arena.start.assumingMemoryBound(to: UInt8.self))
        func matrix(_ plan: WeightPlan.Matrix) -> PackedMatrix { Self.matrix(plan, start, &lists) }
        func vector(_ name: String) throws(ModelError) -> [Float] {
            guard let values = try SpecSource(file).vector(name) else { throw .missingTensor(name) }
            return values
        }
        var layers: [Layer] = []
        for (index, layer) in plan.layers.enumerated() {
            var bias: [Float] = []
            if spec.hasAttentionBias {
                let rotated = layer.queryKeyValue.panels[0].order
                for (name, order) in [
                    (TensorName.queryBias(index), rotated), (TensorName.keyBias(index), rotated),
                    (TensorName.valueBias(index), .asStored),
                ] {
                    let stored = try vector(name)
                    bias += stored.indices.map { stored[order.storedRow($0)] }
                    bias += [Float](repeating: 0, count: (32 - stored.count % 32) % 32)
                }
            }
            layers.append(
                Layer(
                    attentionNorm: Self.keep(try vector(TensorName.attentionNorm(index)), &lists),
                    queryKeyValue: matrix(layer.queryKeyValue),
                    queryKeyValueBias: bias.isEmpty ? nil : Self.keep(bias, &lists),
                    queryNorm: spec.hasHeadNorms ? Self.keep(try vector(TensorName.queryNorm(index)), &lists) : nil,
                    keyNorm: spec.hasHeadNorms ? Self.keep(try vector(TensorName.keyNorm(index)), &lists) : nil,
                    attentionOutput: matrix(layer.attentionOutput),
                    feedForwardNorm: Self.keep(try vector(TensorName.feedForwardNorm(index)), &lists),
                    gateUp: matrix(layer.gateUp), down: matrix(layer.down)))
        }
        outputNorm = Self.keep(try vector(TensorName.outputNorm), &lists)
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
                var rows = [UnsafePointer<UInt8>?](repeating: nil, count: Kernels.panelRowCount)
                for index in member.share(panels.count) {
                    let panel = panels[index]
                    let base = file.bytes(of: panel.tensor).baseAddress?.assumingMemoryBound(to: UInt8.self)
                    for row in rows.indices {
                        let stored = panel.order.storedRow(panel.firstRow + row)
                        rows[row] = row < panel.rowCount ? base?.advanced(by: stored * panel.tensor.rowByteCount) : nil
                    }
                    let isHeld = Self.withRows(rows, of: panel, in: panel.type) { rows in
                        Kernels.packPanel(
                            format: panel.type.rawValue, rows: rows, columns: panel.tensor.columnCount,
                            into: start + panel.byteOffset)
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
        let columns = panel.tensor.columnCount
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
