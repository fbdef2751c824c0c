import Kernels

/// One pass over the texts of a step, as every thread of the team walks through it.
///
/// As in ``ForwardStep`` a stage's pieces are parts of its output, and nothing is added across pieces: neither threads
/// nor the other texts of the pass change a bit. Attention is the decoder's, over pages that hold one layer's keys and
/// values: that every token sees its whole text is a matter of the positions it is given.
struct EncoderStep {
    // SAFETY: all pointers are into the encoder's arena, at offsets and sizes of one EncoderLayout, and the weights';
    // their owner, the Encoder, outlives the step. Pieces of a stage write disjoint ranges.
    let spec: Sizes
    let pass: EncoderPass
    let weights: EncoderWeights
    let layout: EncoderLayout
    /// (rows, width)
    let stream: UnsafeMutablePointer<Float>
    /// (rows, Q K V each padded to panels)
    let queryKeyValue: UnsafeMutablePointer<Float>
    /// (rows, width)
    let attended: UnsafeMutablePointer<Float>
    /// (rows, feed-forward width padded to panels)
    let hidden: UnsafeMutablePointer<Float>
    let pages: UnsafeMutablePointer<UInt8>
    let pageNumbers: UnsafeMutablePointer<Int32>
    let lastPositions: UnsafeMutablePointer<Int32>
    let normed: Activations
    let attendedActivations: Activations
    let hiddenActivations: Activations
    private let memory: UnsafeMutableRawPointer

    struct Sizes {
        let width: Int
        let headDimension: Int
        let feedForwardWidth: Int
        /// First column of K, and of V, in a row of Q, K and V: each begins with a panel.
        let keyStart: Int
        let valueStart: Int
        let normEpsilon: Float
        let headByteCount: Int
    }

    init(
        _ spec: EncoderSpec, _ pass: EncoderPass, _ weights: EncoderWeights, _ layout: EncoderLayout,
        memory: UnsafeMutableRawPointer
    ) {
        func floats(_ offset: Int) -> UnsafeMutablePointer<Float> {
            (memory + offset).assumingMemoryBound(to: Float.self)
        }
        func integers(_ offset: Int) -> UnsafeMutablePointer<Int32> {
            (memory + offset).assumingMemoryBound(to: Int32.self)
        }
        let padded = (spec.width + Kernels.panelRowCount - 1) / Kernels.panelRowCount * Kernels.panelRowCount
        self.spec = Sizes(
            width: spec.width, headDimension: spec.headDimension, feedForwardWidth: spec.feedForwardWidth,
            keyStart: padded, valueStart: 2 * padded, normEpsilon: spec.normEpsilon,
            headByteCount: Kernels.pageHeadByteCount(.f16, headDimension: spec.headDimension))
        self.pass = pass
        self.weights = weights
        self.layout = layout
        self.memory = memory
        stream = floats(layout.stream)
        queryKeyValue = floats(layout.queryKeyValue)
        attended = floats(layout.attended)
        hidden = floats(layout.hidden)
        pages = (memory + layout.pages).assumingMemoryBound(to: UInt8.self)
        pageNumbers = integers(layout.pageNumbers)
        lastPositions = integers(layout.lastPositions)
        normed = Activations(layout.normedActivations, in: memory)
        attendedActivations = Activations(layout.attendedActivations, in: memory)
        hiddenActivations = Activations(layout.hiddenActivations, in: memory)
    }

    /// Stages of a pass at most: see `run`.
    static func stageMax(layerCount: Int) -> Int { layerCount * 10 + 1 }

    /// Lays out what the threads read. On one thread, before `run`.
    func prepare() {
        for page in 0..<layout.pageCount { pageNumbers[page] = Int32(truncatingIfNeeded: page) }
        for text in pass.texts {
            for row in text.rows { lastPositions[row] = Int32(truncatingIfNeeded: text.rows.count - 1) }
        }
    }

    /// The whole pass, for the member `index` of the team; `stream` holds the rows' token embeddings.
    func run(index: Int, _ place: StageBoard.Place) {
        var place = place
        let scratch = (memory + layout.threads + index * layout.threadByteCount).assumingMemoryBound(to: Float.self)
        place.divide(pass.rowCount) { part in
            for row in part { embed(row) }
        }
        for layer in weights.layers {
            multiply(layer.queryKeyValue, normed, into: queryKeyValue, layout.queryKeyValueStride, &place)
            place.divide(pass.rowCount) { part in
                for row in part { storeKeysAndValues(row, layer) }
            }
            place.divide(pass.items.count) { part in
                for item in part { attend(pass.items[item], scratch) }
            }
            place.divide(pass.rowCount) { part in
                for row in part { attendedActivations.store(attended + row * spec.width, row: row) }
            }
            multiply(layer.attentionOutput, attendedActivations, isAdding: true, into: stream, spec.width, &place)
            place.divide(pass.rowCount) { part in
                for row in part { norm(row, layer.attentionNorm) }
            }
            multiply(layer.up, normed, into: hidden, layout.hiddenStride, &place)
            place.divide(pass.rowCount) { part in
                for row in part { gate(row, layer.upBias) }
            }
            multiply(layer.down, hiddenActivations, isAdding: true, into: stream, spec.width, &place)
            place.divide(pass.rowCount) { part in
                for row in part { norm(row, layer.outputNorm) }
            }
        }
    }

    private func multiply(
        _ matrix: PackedMatrix, _ activations: Activations, isAdding: Bool = false,
        into y: UnsafeMutablePointer<Float>, _ stride: Int, _ place: inout StageBoard.Place
    ) {
        place.divide(matrix.pieceCount(rows: pass.rowCount)) { part in
            matrix.multiply(
                pieces: part, activations, count: pass.rowCount, isAdding: isAdding, into: y, stride: stride)
        }
    }

    private func embed(_ row: Int) {
        let x = stream + row * spec.width
        Kernels.add(x, weights.segments + pass.rows[row].segment * spec.width, count: spec.width)
        Kernels.add(x, weights.positions + pass.rows[row].position * spec.width, count: spec.width)
        norm(row, weights.embeddingNorm)
    }

    /// In place, and as activations for the product that follows.
    private func norm(_ row: Int, _ norm: EncoderWeights.Norm) {
        let x = stream + row * spec.width
        if let offset = norm.offset { Kernels.add(x, offset, count: spec.width) }
        Kernels.layerNorm(
            x, weight: norm.weight, bias: norm.bias, epsilon: spec.normEpsilon, count: spec.width, into: x)
        normed.store(x, row: row)
    }

    private func storeKeysAndValues(_ row: Int, _ layer: EncoderWeights.Layer) {
        let values = queryKeyValue + row * layout.queryKeyValueStride
        Kernels.add(values, layer.queryKeyValueBias, count: layout.queryKeyValueStride)
        let place = pass.rows[row]
        let page = place.firstPage + place.position / Kernels.pageTokenCount
        for head in 0..<spec.width / spec.headDimension {
            Kernels.storeKV(
                .f16, pageHead: pages + page * layout.pageStride + head * spec.headByteCount,
                slot: place.position % Kernels.pageTokenCount,
                key: values + spec.keyStart + head * spec.headDimension,
                value: values + spec.valueStart + head * spec.headDimension, headDimension: spec.headDimension)
        }
    }

    private func attend(_ item: EncoderPass.AttentionItem, _ scratch: UnsafeMutablePointer<Float>) {
        let (row, column) = (item.rows.lowerBound, item.head * spec.headDimension)
        let queries = Kernels.QueryRows(
            .f16, queries: queryKeyValue + row * layout.queryKeyValueStride + column,
            queryStride: layout.queryKeyValueStride, positions: lastPositions + row, count: item.rows.count,
            pages: pageNumbers + item.firstPage, kvBase: pages + item.head * spec.headByteCount,
            pageStride: layout.pageStride, headDimension: spec.headDimension,
            scale: 1 / Float(spec.headDimension).squareRoot())
        Kernels.attention(
            queries, into: attended + row * spec.width + column, outStride: spec.width, scratch: scratch)
    }

    private func gate(_ row: Int, _ bias: UnsafePointer<Float>) {
        let x = hidden + row * layout.hiddenStride
        Kernels.add(x, bias, count: spec.feedForwardWidth)
        Kernels.gelu(x, count: spec.feedForwardWidth, into: x)
        hiddenActivations.store(x, row: row)
    }
}
