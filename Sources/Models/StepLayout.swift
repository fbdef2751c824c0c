import Kernels

/// Offsets of everything one step computes on the way, for a fixed largest step. The one place that knows how many
/// bytes activations take.
struct StepLayout: Equatable, Sendable {
    /// Rows whose products are computed together: a tile's accumulators stay in the first-level cache.
    static let tileRowCount = 64
    /// Query rows (tokens × heads of a group) that share each load of K and V.
    static let attentionRowMax = 96

    /// Activations of one width, as Float, quantized, or both.
    struct ActivationOffsets: Equatable, Sendable {
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
    /// Rows up to which a step of decode divides contexts among threads: with more, there are heads enough for all.
    let dividedRowMax: Int
    /// Floats of a kv head's states for one row: of a segment, of all segments.
    let stateCount: Int
    let statesCount: Int

    private(set) var residual = 0
    private(set) var lastResidual = 0
    private(set) var queryKeyValue = 0
    private(set) var queries = 0
    private(set) var attended = 0
    /// (rows, kv heads, segments, heads of a group, state)
    private(set) var attentionStates = 0
    private(set) var ropeTable = 0
    private(set) var logits = 0
    /// (rows, width): what a branch gives, where it goes through something before it is added.
    private(set) var branch = 0
    private(set) var experts: ExpertLayout?
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

    init(_ spec: ModelSpec, _ plan: WeightPlan, rowMax: Int, threadCount: Int, contextLength: Int) {
        self.rowMax = rowMax
        self.threadCount = threadCount
        let kinds = plan.activationKinds
        queryKeyValueStride = (plan.layers.first?.queryKeyValue.panels.count ?? 0) * Kernels.panelRowCount
        logitStride = plan.output.panels.count * Kernels.panelRowCount
        attentionTokenCount = max(1, Self.attentionRowMax / spec.groupSize)
        let segmentCount = (contextLength - 1) / Kernels.segmentTokenCount + 1
        dividedRowMax = segmentCount > 1 ? min(rowMax, (2 * threadCount - 1) / spec.kvHeadCount) : 0
        stateCount = spec.groupSize * Kernels.attentionStateCount(headDimension: spec.headDimension)
        statesCount = segmentCount * stateCount

        var cursor = Cursor(kinds: kinds)
        residual = cursor.floats(rowMax * spec.width)
        lastResidual = cursor.floats(rowMax * spec.width)
        queryKeyValue = cursor.floats(rowMax * queryKeyValueStride)
        queries = cursor.floats(rowMax * spec.queryWidth)
        attended = cursor.floats(rowMax * spec.queryWidth)
        attentionStates = cursor.floats(dividedRowMax * spec.kvHeadCount * statesCount)
        ropeTable = cursor.floats(rowMax * spec.ropeDimensionCount * spec.ropes.count)
        branch = cursor.floats(
            spec.hasBranchBias || spec.hasBranchNorms || spec.ropes.isEmpty ? rowMax * spec.width : 0)
        normedActivations = cursor.activations(rowMax, spec.width, isFine: true)
        attendedActivations = cursor.activations(rowMax, spec.queryWidth)
        experts = spec.feedForward.experts.map { ExpertLayout($0, spec.width, rowMax: rowMax, &cursor) }
        gatedActivations = cursor.activations(experts?.slotMax ?? rowMax, spec.feedForward.width)
        logits = cursor.floats(rowMax * logitStride)
        threads = cursor.offset

        var own = Cursor(kinds: kinds)
        threadTile = own.floats(Self.tileRowCount * 2 * Kernels.panelRowCount)
        threadRow = own.floats(max(spec.width, spec.queryWidth, spec.feedForward.width))
        threadScratch = own.floats(
            Kernels.attentionScratchCount(
                rows: attentionTokenCount * spec.groupSize, headDimension: spec.headDimension))
        threadNormed = own.activations(1, spec.width, isFine: true)
        threadAttended = own.activations(1, spec.queryWidth)
        // A page between threads: neighbours never share a line, nor prefetch each other's.
        threadByteCount = (own.offset + 8191) & ~4095
        byteCount = threads + threadCount * threadByteCount
    }

    /// Whether contexts are divided in a step: it is decode, of few rows, and some context is longer than a segment.
    func divides(_ slices: [StepSlice]) -> Bool {
        var isLong = false
        for slice in slices {
            let segment = slice.startPosition / Kernels.segmentTokenCount
            guard slice.tokens.count <= 1, (segment + 1) * stateCount <= statesCount else { return false }
            isLong = isLong || segment > 0
        }
        return isLong && slices.count <= dividedRowMax
    }

    /// Lays arrays one after the other, each from a cache line on.
    struct Cursor {
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
