import Kernels

/// One forward pass over the rows of a step, as every thread of the team walks through it.
///
/// Work is divided by output: a thread computes whole rows of a norm, whole columns of a product, whole heads of a
/// query, so that nothing is ever added across threads and results do not depend on their number. Between stages that
/// read each other's results stands a barrier.
struct ForwardStep {
    // SAFETY: all pointers are into the step's arena, at offsets and sizes of one StepLayout, and the weights'; their
    // owner, the Transformer, outlives the step. Stages write disjoint ranges between two barriers.
    let spec: ModelSpec.Sizes
    let layers: UnsafeBufferPointer<PackedWeights.Layer>
    let outputNorm: UnsafePointer<Float>
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
    /// (rows, cosines then sines)
    let ropeTable: UnsafeMutablePointer<Float>
    /// (rows asked for, logitStride)
    let logits: UnsafeMutablePointer<Float>
    let logitStride: Int
    let normed: Activations
    let attendedActivations: Activations
    let gated: Activations
    private let rowMax: Int
    private let memory: UnsafeMutableRawPointer
    private let layout: StepLayout

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
        ropeTable = floats(layout.ropeTable)
        logits = floats(layout.logits)
        logitStride = layout.logitStride
        normed = Activations(layout.normedActivations, in: memory)
        attendedActivations = Activations(layout.attendedActivations, in: memory)
        gated = Activations(layout.gatedActivations, in: memory)
        rowMax = layout.rowMax
    }

    /// What only one thread touches.
    private struct Workspace {
        let tile: UnsafeMutablePointer<Float>
        let row: UnsafeMutablePointer<Float>
        let scratch: UnsafeMutablePointer<Float>
        let normed: Activations
        let attended: Activations
    }

    private func workspace(_ index: Int) -> Workspace {
        let base = memory + layout.threads + index * layout.threadByteCount
        return Workspace(
            tile: (base + layout.threadTile).assumingMemoryBound(to: Float.self),
            row: (base + layout.threadRow).assumingMemoryBound(to: Float.self),
            scratch: (base + layout.threadScratch).assumingMemoryBound(to: Float.self),
            normed: Activations(layout.threadNormed, in: base),
            attended: Activations(layout.threadAttended, in: base))
    }

    /// The whole pass, for one member of the team.
    func run(_ rows: StepInput.Pointers, _ member: ThreadTeam.Member) {
        let own = workspace(member.index)
        for index in 0..<layers.count {
            let layer = layers[index]
            let isLast = index == layers.count - 1
            projectQueryKeyValue(layer, rows.rowCount, member, own)
            member.barrier()
            attend(layer, index, rows, member, own, isLast: isLast)
            if isLast {
                guard !rows.logitRows.isEmpty else { return }
                finish(layer, rows, member, own)
            } else {
                let all = RowList(count: rows.rowCount, rows: nil)
                block(layer, residual, all, member, own)
            }
        }
        let count = rows.logitRows.count
        let activations = norm(lastResidual, outputNorm, count, member, own)
        multiply(output, member.share(output.panelCount), activations, count, into: logits, stride: logitStride)
    }

    /// Rows of the step that go on: all, or the listed ones, which lie close together from here on.
    private struct RowList {
        let count: Int
        let rows: UnsafeBufferPointer<Int>?

        func source(_ row: Int) -> Int { rows.map { $0[row] } ?? row }
    }

    /// In the last layer only rows whose logits are asked for go on behind the attention.
    private func finish(
        _ layer: PackedWeights.Layer, _ rows: StepInput.Pointers, _ member: ThreadTeam.Member, _ own: Workspace
    ) {
        let asked = RowList(count: rows.logitRows.count, rows: rows.logitRows)
        for row in member.share(asked.count) {
            (lastResidual + row * spec.width).update(from: residual + asked.source(row) * spec.width, count: spec.width)
        }
        member.barrier()
        block(layer, lastResidual, asked, member, own)
    }

    // MARK: Attention

    private func projectQueryKeyValue(
        _ layer: PackedWeights.Layer, _ count: Int, _ member: ThreadTeam.Member, _ own: Workspace
    ) {
        let activations = norm(residual, layer.attentionNorm, count, isFine: true, member, own)
        let matrix = layer.queryKeyValue
        let panels = member.share(matrix.panelCount)
        multiply(matrix, panels, activations, count, into: queryKeyValue, stride: queryKeyValueStride)
        // An error in V goes into the sum over tokens as it is, while softmax forgives errors in Q and K. 16 bits for V
        // cost 4 % more products and save a third of all the difference to exact activations.
        multiply(
            matrix, panels.clamped(to: spec.valueStart / Kernels.panelRowCount..<matrix.panelCount), activations,
            part: .remainder, count, isAdding: true, into: queryKeyValue, stride: queryKeyValueStride)
    }

    /// In the last layer only rows whose logits are asked for attend; keys and values of the others are stored.
    private func attend(
        _ layer: PackedWeights.Layer, _ index: Int, _ rows: StepInput.Pointers, _ member: ThreadTeam.Member,
        _ own: Workspace, isLast: Bool
    ) {
        let items = UnsafeBufferPointer(
            start: rows.items + rows.itemBounds[member.index],
            count: rows.itemBounds[member.index + 1] - rows.itemBounds[member.index])
        if rows.isDecode {
            // A token's only new key is its own: rotate, store and attend in one go.
            for item in items {
                rotateAndStore(layer, index, rows, row: item.firstRow, kvHead: item.kvHead)
                if !isLast || item.isAsked { attend(index, rows, item, own) }
            }
        } else {
            for row in member.share(rows.rowCount) {
                for head in 0..<spec.kvHeadCount { rotateAndStore(layer, index, rows, row: row, kvHead: head) }
            }
            member.barrier()
            for item in items where !isLast || item.isAsked { attend(index, rows, item, own) }
        }
        member.barrier()
    }

    /// Brings one token's part of a kv head to its places: key and value to their page, the group's queries in a row.
    private func rotateAndStore(
        _ layer: PackedWeights.Layer, _ index: Int, _ rows: StepInput.Pointers, row: Int, kvHead: Int
    ) {
        let size = spec.headDimension
        let group = spec.groupSize * size
        let values = queryKeyValue + row * queryKeyValueStride
        let (q, k, v) = (kvHead * group, spec.keyStart + kvHead * size, spec.valueStart + kvHead * size)
        if let bias = layer.queryKeyValueBias {
            Kernels.add(values + q, bias + q, count: group)
            Kernels.add(values + k, bias + k, count: size)
            Kernels.add(values + v, bias + v, count: size)
        }
        let table = ropeTable + row * spec.ropeDimensionCount
        Kernels.rope(values + k, table: table, count: spec.ropeDimensionCount)
        let position = Int(rows.positions[row])
        let page = Int(rows.pages[rows.pageStarts[row] + position / Kernels.pageTokenCount])
        Kernels.storeKV(
            pageHead: kv.start(layer: index, head: kvHead) + page * kv.pageStride,
            slot: position % Kernels.pageTokenCount, key: values + k, value: values + v, headDimension: size)
        let target = queryRows(queries, kvHead: kvHead, row: row)
        target.update(from: values + q, count: group)
        Kernels.rope(
            target, table: table, count: spec.ropeDimensionCount, heads: spec.groupSize, stride: size)
    }

    private func attend(_ index: Int, _ rows: StepInput.Pointers, _ item: StepInput.AttentionItem, _ own: Workspace) {
        Kernels.attention(
            queries: queryRows(queries, kvHead: item.kvHead, row: item.firstRow), queryStride: spec.headDimension,
            positions: rows.queryPositions + item.firstRow * spec.groupSize, rows: item.tokenCount * spec.groupSize,
            pages: rows.pages + item.pageStart, kvBase: kv.start(layer: index, head: item.kvHead),
            pageStride: kv.pageStride, headDimension: spec.headDimension, scale: spec.attentionScale,
            into: queryRows(attended, kvHead: item.kvHead, row: item.firstRow), outStride: spec.headDimension,
            scratch: own.scratch)
    }

    private func queryRows(
        _ base: UnsafeMutablePointer<Float>, kvHead: Int, row: Int
    ) -> UnsafeMutablePointer<Float> {
        base + (kvHead * rowMax + row) * spec.groupSize * spec.headDimension
    }

    // MARK: The rest of a block

    /// Output projection and feed-forward of the listed rows, whose residual stream is `stream`. Ends with a barrier.
    private func block(
        _ layer: PackedWeights.Layer, _ stream: UnsafeMutablePointer<Float>, _ list: RowList,
        _ member: ThreadTeam.Member, _ own: Workspace
    ) {
        let heads = gatherAttended(list, member, own)
        let output = layer.attentionOutput
        multiply(
            output, member.share(output.panelCount), heads, list.count, isAdding: true, into: stream,
            stride: spec.width)
        member.barrier()
        let activations = norm(stream, layer.feedForwardNorm, list.count, member, own)
        gate(layer.gateUp, activations, list.count, member, own)
        member.barrier()
        multiply(
            layer.down, member.share(layer.down.panelCount), gated, list.count, isAdding: true, into: stream,
            stride: spec.width)
        member.barrier()
    }

    /// Whether each thread does the row work for itself: one row is done sooner than a barrier would be passed.
    private func isAlone(_ count: Int) -> Bool { count == 1 }

    /// Brings the heads of each row together, as activations.
    private func gatherAttended(_ list: RowList, _ member: ThreadTeam.Member, _ own: Workspace) -> Activations {
        let group = spec.groupSize * spec.headDimension
        func gather(_ row: Int, into activations: Activations) {
            for head in 0..<spec.kvHeadCount {
                (own.row + head * group).update(
                    from: queryRows(attended, kvHead: head, row: list.source(row)), count: group)
            }
            activations.store(own.row, row: row)
        }
        if isAlone(list.count) {
            gather(0, into: own.attended)
            return own.attended
        }
        for row in member.share(list.count) { gather(row, into: attendedActivations) }
        member.barrier()
        return attendedActivations
    }

    /// RMSNorm of all rows, as activations. Ends so that every thread may read all of them.
    private func norm(
        _ stream: UnsafeMutablePointer<Float>, _ weight: UnsafePointer<Float>, _ count: Int, isFine: Bool = false,
        _ member: ThreadTeam.Member, _ own: Workspace
    ) -> Activations {
        func norm(_ row: Int, into activations: Activations) {
            activations.storeNormed(
                stream + row * spec.width, weight: weight, epsilon: spec.normEpsilon, row: row, isFine: isFine,
                scratch: own.row)
        }
        if isAlone(count) {
            norm(0, into: own.normed)
            return own.normed
        }
        for row in member.share(count) { norm(row, into: normed) }
        member.barrier()
        return normed
    }

    /// SwiGLU of this thread's columns: a tile of gates and ups is gated and stored while it is in the cache.
    private func gate(
        _ matrix: PackedMatrix, _ activations: Activations, _ count: Int, _ member: ThreadTeam.Member, _ own: Workspace
    ) {
        let stride = 2 * Kernels.panelRowCount
        for first in Swift.stride(from: 0, to: count, by: StepLayout.tileRowCount) {
            let rows = min(StepLayout.tileRowCount, count - first)
            for block in member.share(matrix.panelCount / 2) {
                matrix.multiply(
                    2 * block..<2 * block + 2, activations, firstRow: first, rows: rows, into: own.tile, stride: stride)
                gated.storeGated(own.tile, rows: rows, firstRow: first, block: block)
            }
        }
    }

    /// y = or y += matrix · activations, for the given panels, which are this thread's.
    private func multiply(
        _ matrix: PackedMatrix, _ panels: Range<Int>, _ activations: Activations, part: Activations.Part = .whole,
        _ count: Int, isAdding: Bool = false, into y: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let columns = y + panels.lowerBound * Kernels.panelRowCount
        for first in Swift.stride(from: 0, to: count, by: StepLayout.tileRowCount) {
            matrix.multiply(
                panels, activations, part: part, firstRow: first, rows: min(StepLayout.tileRowCount, count - first),
                isAdding: isAdding, into: columns + first * stride, stride: stride)
        }
    }
}
