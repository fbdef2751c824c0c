import Inference
import Kernels
import Weights

/// Offsets of everything an encoder computes on the way, for a fixed largest pass.
struct EncoderLayout: Equatable, Sendable {
    /// Tokens of one pass.
    let rowMax: Int
    /// Texts of one pass: no more than would fill half of each page.
    let textMax: Int
    /// Pages that hold one layer's keys and values; each text begins a page.
    let pageCount: Int
    let queryKeyValueStride: Int
    let hiddenStride: Int
    let pageStride: Int

    private(set) var stream = 0
    private(set) var queryKeyValue = 0
    private(set) var attended = 0
    private(set) var hidden = 0
    private(set) var pages = 0
    /// The numbers 0..<pageCount.
    private(set) var pageNumbers = 0
    /// Of each row: the last token of its text, up to which it sees.
    private(set) var lastPositions = 0
    /// (texts, numbers of an output): of a whole step.
    private(set) var outputs = 0
    private(set) var normedActivations = StepLayout.ActivationOffsets(columnCount: 0)
    private(set) var attendedActivations = StepLayout.ActivationOffsets(columnCount: 0)
    private(set) var hiddenActivations = StepLayout.ActivationOffsets(columnCount: 0)
    /// Start of the first thread's own memory; each has `threadByteCount`.
    private(set) var threads = 0
    private(set) var threadByteCount = 0
    private(set) var byteCount = 0

    init(_ spec: EncoderSpec, _ plan: EncoderWeightPlan, rowMax: Int, threadCount: Int) {
        self.rowMax = rowMax
        textMax = rowMax / (Kernels.pageTokenCount / 2) + 1
        pageCount = rowMax / Kernels.pageTokenCount + textMax
        queryKeyValueStride = (plan.layers.first?.queryKeyValue.panels.count ?? 0) * Kernels.panelRowCount
        hiddenStride = (plan.layers.first?.up.panels.count ?? 0) * Kernels.panelRowCount
        pageStride = Kernels.pageHeadByteCount(.f16, headDimension: spec.headDimension) * spec.headCount
        let types = Set(plan.panels.map(\.type))
        var cursor = StepLayout.Cursor(
            kinds: (
                float: types.contains { !Kernels.takesQuantized(format: $0.rawValue) },
                quantized: types.contains { Kernels.takesQuantized(format: $0.rawValue) }
            ))
        stream = cursor.floats(rowMax * spec.width)
        queryKeyValue = cursor.floats(rowMax * queryKeyValueStride)
        attended = cursor.floats(rowMax * spec.width)
        // The layer behind a score writes there too.
        hidden = cursor.floats(rowMax * max(hiddenStride, queryKeyValueStride))
        pages = cursor.bytes(pageCount * pageStride)
        pageNumbers = cursor.floats(pageCount)
        lastPositions = cursor.floats(rowMax)
        outputs = cursor.floats(rowMax * spec.output.count)
        normedActivations = cursor.activations(rowMax, spec.width)
        attendedActivations = cursor.activations(rowMax, spec.width)
        hiddenActivations = cursor.activations(rowMax, spec.feedForwardWidth)
        threads = cursor.offset
        let scratch = Kernels.attentionScratchCount(
            rows: StepLayout.attentionRowMax, headDimension: spec.headDimension)
        // A page between threads: neighbours never share a line, nor prefetch each other's.
        threadByteCount = (scratch * 4 + 8191) & ~4095
        byteCount = threads + threadCount * threadByteCount
    }
}
