import Kernels

/// One forward pass over the rows of a step, as every thread of the team walks through it.
///
/// A stage's pieces are parts of its output: whole rows of a norm, whole columns of a product, whole heads of a query.
/// Nothing is ever added across pieces, so that results depend neither on the number of threads nor on who does what.
/// A thread reads what an earlier stage wrote inside its pieces only: where none is left, others may be far ahead.
struct ForwardStep {
    // SAFETY: all pointers are into the step's arena, at offsets and sizes of one StepLayout, and the weights'; their
    // owner, the Transformer, outlives the step. Pieces of a stage write disjoint ranges.
    let spec: ModelSpec.Sizes
    let layers: UnsafeBufferPointer<PackedWeights.Layer>
    let outputNorm: PackedWeights.Norm
    let output: PackedMatrix
    let kv: KVCache

    /// (rows, width)
    let residual: UnsafeMutablePointer<Float>
    /// (rows asked for, width): what is left of the residual stream in the last layer.
    let lastResidual: UnsafeMutablePointer<Float>
    /// (rows, Q K V each padded to panels)
    let queryKeyValue: UnsafeMutablePointer<Float>
    let queryKeyValueStride: Int
    /// (kv heads, rows, heads of a group, head dimension)
    let queries: UnsafeMutablePointer<Float>
    let attended: UnsafeMutablePointer<Float>
    /// (rows, kv heads, segments, heads of a group, state)
    let attentionStates: UnsafeMutablePointer<Float>
    /// (rotations, rows, cosines then sines)
    let ropeTable: UnsafeMutablePointer<Float>
    /// (rows asked for, logitStride)
    let logits: UnsafeMutablePointer<Float>
    let logitStride: Int
    let normed: Activations
    let attendedActivations: Activations
    let gated: Activations
    /// (rows, width)
    let branch: UnsafeMutablePointer<Float>
    let rowMax: Int
    private let memory: UnsafeMutableRawPointer
    let layout: StepLayout
    let experts: ExpertMemory?

    init(
        spec: ModelSpec, layout: StepLayout, weights: PackedWeights, kv: KVCache, memory: UnsafeMutableRawPointer
    ) {
        func floats(_ offset: Int) -> UnsafeMutablePointer<Float> {
            (memory + offset).assumingMemoryBound(to: Float.self)
        }
        self.spec = spec.sizes
        self.layout = layout
        self.memory = memory
        self.kv = kv
        layers = weights.layers
        outputNorm = weights.outputNorm
        output = weights.output
        residual = floats(layout.residual)
        lastResidual = floats(layout.lastResidual)
        queryKeyValue = floats(layout.queryKeyValue)
        queryKeyValueStride = layout.queryKeyValueStride
        queries = floats(layout.queries)
        attended = floats(layout.attended)
        attentionStates = floats(layout.attentionStates)
        ropeTable = floats(layout.ropeTable)
        logits = floats(layout.logits)
        logitStride = layout.logitStride
        normed = Activations(layout.normedActivations, in: memory)
        attendedActivations = Activations(layout.attendedActivations, in: memory)
        gated = Activations(layout.gatedActivations, in: memory)
        branch = floats(layout.branch)
        rowMax = layout.rowMax
        experts = layout.experts.map { ExpertMemory($0, in: memory) }
    }

    /// What only one thread touches, and where it is.
    struct Workspace {
        let tile: UnsafeMutablePointer<Float>
        let row: UnsafeMutablePointer<Float>
        let scratch: UnsafeMutablePointer<Float>
        let normed: Activations
        let attended: Activations
        var place: StageBoard.Place
    }

    private func workspace(_ index: Int, _ place: StageBoard.Place) -> Workspace {
        let base = memory + layout.threads + index * layout.threadByteCount
        return Workspace(
            tile: (base + layout.threadTile).assumingMemoryBound(to: Float.self),
            row: (base + layout.threadRow).assumingMemoryBound(to: Float.self),
            scratch: (base + layout.threadScratch).assumingMemoryBound(to: Float.self),
            normed: Activations(layout.threadNormed, in: base),
            attended: Activations(layout.threadAttended, in: base), place: place)
    }

    /// Stages of a step at most: see `run`, and one in which its rows are read.
    static func stageMax(_ spec: ModelSpec) -> Int {
        let ends = spec.hasBranchBias || spec.hasBranchNorms ? 2 : 0
        return spec.layerCount * (10 + ends + (spec.feedForward.experts == nil ? 0 : 5)) + 5
    }

    /// The whole pass, for the member `index` of the team.
    /// - Returns: where the thread is on the board now.
    func run(_ rows: StepInput.Pointers, index: Int, _ place: StageBoard.Place) -> StageBoard.Place {
        var own = workspace(index, place)
        for index in 0..<layers.count {
            let layer = layers[index]
            let isLast = index == layers.count - 1
            projectQueryKeyValue(layer, rows.rowCount, &own)
            attend(layer, index, rows, &own, isLast: isLast)
            if isLast {
                guard !rows.logitRows.isEmpty else { return own.place }
                finish(layer, rows, &own)
            } else {
                block(layer, residual, RowList(count: rows.rowCount, rows: nil), &own)
            }
        }
        let count = rows.logitRows.count
        let activations = norm(lastResidual, outputNorm, count, before: tiles(count) * output.panelCount, &own)
        multiply(output, activations, count, into: logits, stride: logitStride, &own)
        guard spec.logitCap > 0 else { return own.place }
        own.place.divide(count * output.panelCount) { part in
            let (row, column) = part.lowerBound.quotientAndRemainder(dividingBy: output.panelCount)
            Kernels.softCap(
                logits + row * logitStride + column * Kernels.panelRowCount, count: part.count * Kernels.panelRowCount,
                cap: spec.logitCap)
        }
        return own.place
    }

    /// Rows of the step that go on: all, or the listed ones, which lie close together from here on.
    private struct RowList {
        let count: Int
        let rows: UnsafeBufferPointer<Int>?

        func source(_ row: Int) -> Int { rows.map { $0[row] } ?? row }
    }

    /// In the last layer only rows whose logits are asked for go on behind the attention.
    private func finish(_ layer: PackedWeights.Layer, _ rows: StepInput.Pointers, _ own: inout Workspace) {
        let asked = RowList(count: rows.logitRows.count, rows: rows.logitRows)
        own.place.divide(asked.count) { part in
            for row in part {
                (lastResidual + row * spec.width).update(
                    from: residual + asked.source(row) * spec.width, count: spec.width)
            }
        }
        block(layer, lastResidual, asked, &own)
    }

    // MARK: The rest of a block

    /// Output projection and feed-forward of the listed rows, whose residual stream is `stream`.
    private func block(
        _ layer: PackedWeights.Layer, _ stream: UnsafeMutablePointer<Float>, _ list: RowList, _ own: inout Workspace
    ) {
        let count = list.count
        let heads = gatherAttended(list, before: tiles(count) * layer.attentionOutput.panelCount, &own)
        add(layer.attentionOutput, heads, count, layer.attentionEnd, to: stream, &own)
        if let router = layer.router, let experts {
            addExperts(layer, router, experts, count, to: stream, &own)
            return
        }
        let activations = norm(
            stream, layer.feedForwardNorm, count,
            before: tiles(count) * (layer.gateUp.panelCount / spec.gate.panelCount), &own)
        gate(layer, activations, count, &own)
        add(layer.down, gated, count, layer.feedForwardEnd, to: stream, &own)
    }

    /// Adds a branch's output to the residual stream.
    private func add(
        _ matrix: PackedMatrix, _ activations: Activations, _ count: Int, _ end: PackedWeights.BranchEnd,
        to stream: UnsafeMutablePointer<Float>, _ own: inout Workspace
    ) {
        guard !end.isPlain else {
            multiply(matrix, activations, count, isAdding: true, into: stream, stride: spec.width, &own)
            return
        }
        multiply(matrix, activations, count, into: branch, stride: spec.width, &own)
        own.place.divide(count) { part in
            for row in part {
                let values = branch + row * spec.width
                if let bias = end.bias { Kernels.add(values, bias, count: spec.width) }
                if let norm = end.norm {
                    Kernels.rmsNorm(
                        values, weight: norm, epsilon: spec.normEpsilon, count: spec.width, into: values)
                }
                Kernels.add(stream + row * spec.width, values, count: spec.width)
            }
        }
    }

    /// Whether each thread does the row work for itself: one row is done sooner than it would be waited for.
    private func isAlone(_ count: Int) -> Bool { count == 1 }

    /// Brings the heads of each row together, as activations.
    /// - Parameter next: pieces of the product that wants them.
    private func gatherAttended(_ list: RowList, before next: Int, _ own: inout Workspace) -> Activations {
        let group = spec.groupSize * spec.headDimension
        let values = own.row
        func gather(_ row: Int, into activations: Activations) {
            for head in 0..<spec.kvHeadCount {
                (values + head * group).update(
                    from: queryRows(attended, kvHead: head, row: list.source(row)), count: group)
            }
            activations.store(values, row: row)
        }
        if isAlone(list.count) {
            if !own.place.isTaken(next) { gather(0, into: own.attended) }
            return own.attended
        }
        own.place.divide(list.count) { part in
            for row in part { gather(row, into: attendedActivations) }
        }
        return attendedActivations
    }

    /// The norm of all rows, as activations.
    /// - Parameter next: pieces of the product that wants them.
    func norm(
        _ stream: UnsafeMutablePointer<Float>, _ weights: PackedWeights.Norm, _ count: Int, isFine: Bool = false,
        before next: Int, _ own: inout Workspace
    ) -> Activations {
        let scratch = own.row
        func norm(_ row: Int, into activations: Activations) {
            activations.storeNormed(
                stream + row * spec.width, weights, epsilon: spec.normEpsilon, row: row, isFine: isFine,
                scratch: scratch)
        }
        if isAlone(count) {
            if !own.place.isTaken(next) { norm(0, into: own.normed) }
            return own.normed
        }
        own.place.divide(count) { part in
            for row in part { norm(row, into: normed) }
        }
        return normed
    }

    /// The gates of all rows: a tile of gates and ups is gated and stored while it is in the cache.
    private func gate(
        _ layer: PackedWeights.Layer, _ activations: Activations, _ count: Int, _ own: inout Workspace
    ) {
        let (matrix, panels) = (layer.gateUp, spec.gate.panelCount)
        let blocks = matrix.panelCount / panels
        let tile = own.tile
        own.place.divide(tiles(count) * blocks) { part in
            var start = part.lowerBound
            while start < part.upperBound {
                let (rowTile, block) = start.quotientAndRemainder(dividingBy: blocks)
                let first = rowTile * StepLayout.tileRowCount
                let rows = min(StepLayout.tileRowCount, count - first)
                // A tile has room for several blocks of few rows: their panels are one stream.
                let together = min(blocks - block, part.upperBound - start, StepLayout.tileRowCount / rows)
                let stride = together * panels * Kernels.panelRowCount
                matrix.multiply(
                    panels * block..<panels * (block + together), activations, firstRow: first, rows: rows, into: tile,
                    stride: stride)
                for index in 0..<together {
                    let piece = tile + index * panels * Kernels.panelRowCount
                    if let bias = layer.upBias {
                        for row in 0..<rows {
                            Kernels.add(
                                piece + row * stride, bias + (block + index) * Kernels.panelRowCount,
                                count: Kernels.panelRowCount)
                        }
                    }
                    gated.storeGated(
                        spec.gate, piece, stride: stride, rows: rows, firstRow: first, block: block + index)
                }
                start += together
            }
        }
    }

    func tiles(_ count: Int) -> Int { (count + StepLayout.tileRowCount - 1) / StepLayout.tileRowCount }

    /// y = or y += matrix · activations; panels of `fine` see the remainders of the activations too.
    func multiply(
        _ matrix: PackedMatrix, _ activations: Activations, _ count: Int, fine: Range<Int> = 0..<0,
        isAdding: Bool = false, into y: UnsafeMutablePointer<Float>, stride: Int, _ own: inout Workspace
    ) {
        own.place.divide(matrix.pieceCount(rows: count)) { part in
            matrix.multiply(
                pieces: part, activations, count: count, fine: fine, isAdding: isAdding, into: y, stride: stride)
        }
    }
}
