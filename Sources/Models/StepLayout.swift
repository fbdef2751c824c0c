import Kernels

/// Offsets of everything one step computes on the way, for a fixed largest step. The one place that knows how many
/// bytes activations take.
struct StepLayout {
    /// Rows whose products are computed together: a tile's accumulators stay in the first-level cache.
    static let tileRowCount = 64
    /// Query rows (tokens × heads of a group) that share each load of K and V.
    static let attentionRowMax = 48

    /// Activations of one width, as Float, quantized, or both.
    struct ActivationOffsets {
        var quantized: Int?
        var float: Int?
        var remainder: Int?
        var columnCount: Int
    }

    let rowMax: Int
    let threadCount: Int
    /// Floats of a row of Q, K and V together, of logits.
    let queryKeyValueStride: Int
    let logitStride: Int
    /// Tokens of a query tile.
    let attentionTokenCount: Int

    private(set) var residual = 0
    private(set) var lastResidual = 0
    private(set) var queryKeyValue = 0
    private(set) var queries = 0
    private(set) var attended = 0
    private(set) var ropeTable = 0
    private(set) var logits = 0
    private(set) var normedActivations = ActivationOffsets(columnCount: 0)
    private(set) var attendedActivations = ActivationOffsets(columnCount: 0)
    private(set) var gatedActivations = ActivationOffsets(columnCount: 0)
    /// Start of the first thread's own memory; each has `threadByteCount`.
    private(set) var threads = 0
    private(set) var threadTile = 0
    private(set) var threadRow = 0
    private(set) var threadScratch = 0
    private(set) var threadNormed = ActivationOffsets(columnCount: 0)
    private(set) var threadAttended = ActivationOffsets(columnCount: 0)
    private(set) var threadByteCount = 0
    private(set) var byteCount = 0

    init(_ spec: ModelSpec, _ plan: WeightPlan, rowMax: Int, threadCount: Int) {
        self.rowMax = rowMax
        self.threadCount = threadCount
        let kinds = plan.activationKinds
        queryKeyValueStride = (plan.layers.first?.queryKeyValue.panels.count ?? 0) * Kernels.panelRowCount
        logitStride = plan.output.panels.count * Kernels.panelRowCount
        attentionTokenCount = max(1, Self.attentionRowMax / spec.groupSize)

        var cursor = Cursor(kinds: kinds)
        residual = cursor.floats(rowMax * spec.width)
        lastResidual = cursor.floats(rowMax * spec.width)
        queryKeyValue = cursor.floats(rowMax * queryKeyValueStride)
        queries = cursor.floats(rowMax * spec.queryWidth)
        attended = cursor.floats(rowMax * spec.queryWidth)
        ropeTable = cursor.floats(rowMax * spec.rope.dimensionCount)
        normedActivations = cursor.activations(rowMax, spec.width, isFine: true)
        attendedActivations = cursor.activations(rowMax, spec.queryWidth)
        gatedActivations = cursor.activations(rowMax, spec.feedForwardWidth)
        logits = cursor.floats(rowMax * logitStride)
        threads = cursor.offset

        var own = Cursor(kinds: kinds)
        threadTile = own.floats(Self.tileRowCount * 2 * Kernels.panelRowCount)
        threadRow = own.floats(max(spec.width, spec.queryWidth, spec.feedForwardWidth))
        threadScratch = own.floats(
            Kernels.attentionScratchCount(
                rows: attentionTokenCount * spec.groupSize, headDimension: spec.headDimension))
        threadNormed = own.activations(1, spec.width, isFine: true)
        threadAttended = own.activations(1, spec.queryWidth)
        // A page between threads: neighbours never share a line, nor prefetch each other's.
        threadByteCount = (own.offset + 8191) & ~4095
        byteCount = threads + threadCount * threadByteCount
    }

    private struct Cursor {
        let kinds: (float: Bool, quantized: Bool)
        var offset = 0

        mutating func bytes(_ count: Int) -> Int {
            defer { offset += (count + 63) & ~63 }
            return offset
        }

        mutating func floats(_ count: Int) -> Int { bytes(count * 4) }

        mutating func activations(_ rows: Int, _ columns: Int, isFine: Bool = false) -> ActivationOffsets {
            let size = Kernels.activationByteCount(rows: rows, columns: columns)
            return ActivationOffsets(
                quantized: kinds.quantized ? bytes(size) : nil, float: kinds.float ? floats(rows * columns) : nil,
                remainder: kinds.quantized && isFine ? bytes(size) : nil, columnCount: columns)
        }
    }
}
