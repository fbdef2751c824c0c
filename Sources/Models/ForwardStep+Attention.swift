import Kernels

/// The first half of a block: Q, K and V of all rows, keys and values into their pages, and the attention over them.
extension ForwardStep {
    func projectQueryKeyValue(_ layer: PackedWeights.Layer, _ count: Int, _ own: inout Workspace) {
        let matrix = layer.queryKeyValue
        let activations = norm(
            residual, layer.attentionNorm, count, isFine: true, before: tiles(count) * matrix.panelCount, &own)
        // An error in V goes into the sum over tokens as it is, while softmax forgives errors in Q and K. 16 bits for V
        // cost 4 % more products and save a third of all the difference to exact activations.
        let fine = spec.valueStart / Kernels.panelRowCount..<matrix.panelCount
        multiply(matrix, activations, count, fine: fine, into: queryKeyValue, stride: queryKeyValueStride, &own)
    }

    /// In the last layer only rows whose logits are asked for attend; keys and values of the others are stored.
    func attend(
        _ layer: PackedWeights.Layer, _ index: Int, _ rows: StepInput.Pointers, _ own: inout Workspace, isLast: Bool
    ) {
        let scratch = own.scratch
        if rows.isDivided {
            attendDivided(layer, index, rows, &own, isLast: isLast)
        } else if rows.isDecode {
            // A token's only new key is its own: rotate, store and attend in one go.
            own.place.divide(rows.itemCount) { part in
                for place in part {
                    let item = rows.items[place]
                    rotateAndStore(layer, index, rows, row: item.firstRow, kvHead: item.kvHead)
                    if !isLast || item.isAsked { attend(layer, index, rows, place, scratch) }
                }
            }
        } else {
            own.place.divide(rows.rowCount) { part in
                for row in part {
                    for head in 0..<spec.kvHeadCount { rotateAndStore(layer, index, rows, row: row, kvHead: head) }
                }
            }
            own.place.divide(rows.itemCount) { part in
                for place in part where !isLast || rows.items[place].isAsked {
                    attend(layer, index, rows, place, scratch)
                }
            }
        }
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
        if let queryNorm = layer.queryNorm, let keyNorm = layer.keyNorm {
            for head in 0..<spec.groupSize { normHead(values + q + head * size, queryNorm) }
            normHead(values + k, keyNorm)
        }
        let table = ropeTable + (layer.ropeIndex * rowMax + row) * spec.ropeDimensionCount
        Kernels.rope(values + k, table: table, count: spec.ropeDimensionCount)
        let position = Int(rows.positions[row])
        let page = Int(rows.pages[rows.pageStarts[row] + position / Kernels.pageTokenCount])
        Kernels.storeKV(
            kv.type, pageHead: kv.start(layer: index, head: kvHead) + page * kv.pageStride,
            slot: position % Kernels.pageTokenCount, key: values + k, value: values + v, headDimension: size)
        let target = queryRows(queries, kvHead: kvHead, row: row)
        target.update(from: values + q, count: group)
        Kernels.rope(
            target, table: table, count: spec.ropeDimensionCount, heads: spec.groupSize, stride: size)
    }

    private func normHead(_ head: UnsafeMutablePointer<Float>, _ weight: UnsafePointer<Float>) {
        Kernels.rmsNorm(head, weight: weight, epsilon: spec.normEpsilon, count: spec.headDimension, into: head)
    }

    /// Every segment of a context is a piece of its own.
    private func attendDivided(
        _ layer: PackedWeights.Layer, _ index: Int, _ rows: StepInput.Pointers, _ own: inout Workspace, isLast: Bool
    ) {
        let scratch = own.scratch
        func divide(_ body: (Int, StepInput.AttentionItem) -> Void) {
            own.place.divide(rows.itemCount) { part in
                for place in part { body(place, rows.items[place]) }
            }
        }
        divide { _, item in
            guard item.segment == 0 else { return }
            rotateAndStore(layer, index, rows, row: item.firstRow, kvHead: item.kvHead)
        }
        divide { place, item in
            guard !isLast || item.isAsked else { return }
            Kernels.attention(
                queryRows(layer, index, rows, item, next: begin(layer, index, rows, place + 1)), segment: item.segment,
                into: states(item) + item.segment * layout.stateCount, scratch: scratch)
        }
        divide { _, item in
            guard item.segment == 0, !isLast || item.isAsked else { return }
            Kernels.joinAttention(
                queryRows(layer, index, rows, item), states: states(item), segmentStride: layout.stateCount,
                into: queryRows(attended, kvHead: item.kvHead, row: item.firstRow), outStride: spec.headDimension)
        }
    }

    /// States of an item's first segment.
    private func states(_ item: StepInput.AttentionItem) -> UnsafeMutablePointer<Float> {
        attentionStates + (item.firstRow * spec.kvHeadCount + item.kvHead) * layout.statesCount
    }

    private func attend(
        _ layer: PackedWeights.Layer, _ index: Int, _ rows: StepInput.Pointers, _ place: Int,
        _ scratch: UnsafeMutablePointer<Float>
    ) {
        let item = rows.items[place]
        Kernels.attention(
            queryRows(layer, index, rows, item, next: begin(layer, index, rows, place + 1)),
            into: queryRows(attended, kvHead: item.kvHead, row: item.firstRow), outStride: spec.headDimension,
            scratch: scratch)
    }

    private func queryRows(
        _ layer: PackedWeights.Layer, _ index: Int, _ rows: StepInput.Pointers, _ item: StepInput.AttentionItem,
        next: (UnsafePointer<UInt8>?, UnsafePointer<UInt8>?) = (nil, nil)
    ) -> Kernels.QueryRows {
        Kernels.QueryRows(
            kv.type, queries: queryRows(queries, kvHead: item.kvHead, row: item.firstRow),
            queryStride: spec.headDimension, positions: rows.queryPositions + item.firstRow * spec.groupSize,
            count: item.tokenCount * spec.groupSize, pages: rows.pages + item.pageStart,
            kvBase: kv.start(layer: index, head: item.kvHead), pageStride: kv.pageStride,
            headDimension: spec.headDimension, scale: spec.attentionScale, window: layer.window, cap: spec.scoreCap,
            next: next)
    }

    /// The first two pages that the item at `place` reads, where there is one.
    private func begin(
        _ layer: PackedWeights.Layer, _ index: Int, _ rows: StepInput.Pointers, _ place: Int
    ) -> (UnsafePointer<UInt8>?, UnsafePointer<UInt8>?) {
        guard place < rows.itemCount else { return (nil, nil) }
        let item = rows.items[place]
        let start = kv.start(layer: index, head: item.kvHead)
        let hidden = layer.window > 0 ? Int(rows.positions[item.firstRow]) + 1 - Int(layer.window) : 0
        // Attention goes by two pages.
        let first = max(item.segment * Kernels.segmentTokenCount, hidden) / (2 * Kernels.pageTokenCount) * 2
        let last = Int(rows.positions[item.firstRow + item.tokenCount - 1]) / Kernels.pageTokenCount
        func page(_ number: Int) -> UnsafePointer<UInt8>? {
            number <= last ? UnsafePointer(start + Int(rows.pages[item.pageStart + number]) * kv.pageStride) : nil
        }
        return (page(first), page(first + 1))
    }

    func queryRows(
        _ base: UnsafeMutablePointer<Float>, kvHead: Int, row: Int
    ) -> UnsafeMutablePointer<Float> {
        base + (kvHead * rowMax + row) * spec.groupSize * spec.headDimension
    }
}
