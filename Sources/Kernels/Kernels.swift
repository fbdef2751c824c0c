import CKernels

/// The C kernels, as the rest of Apus calls them. Thin: shapes and preconditions are those of `apus_kernels.h`; callers
/// (Models, which checks all shapes at load) own the memory.
package enum Kernels {
    /// Part of the numerics id: changes when the kernels would give other bits.
    package static let family = "k3"

    package static let panelRowCount = Int(APUS_PANEL_ROWS)
    /// Rows of quantized activations that lie together.
    package static let activationGroupRowCount = Int(APUS_ACTIVATION_GROUP)
    package static let pageTokenCount = Int(APUS_PAGE_TOKENS)

    // Weights

    package static func panelByteCount(format: UInt32, columns: Int) -> Int {
        apus_panel_bytes(Int32(bitPattern: format), columns)
    }

    package static func takesQuantized(format: UInt32) -> Bool { apus_takes_quantized(Int32(bitPattern: format)) != 0 }

    /// - Parameter rows: 32 pointers to rows as GGUF stores them; nil is a row of zeros.
    package static func packPanel(
        format: UInt32, rows: UnsafePointer<UnsafePointer<UInt8>?>, columns: Int,
        into panel: UnsafeMutablePointer<UInt8>
    ) {
        apus_pack_panel(Int32(bitPattern: format), rows, columns, panel)
    }

    package static func dequantize(
        format: UInt32, row: UnsafePointer<UInt8>, count: Int, into y: UnsafeMutablePointer<Float>
    ) {
        apus_dequantize(Int32(bitPattern: format), row, count, y)
    }

    /// The other way, into F32, F16, Q8_0 or Q4_0.
    /// - Returns: whether the format holds every number: none is a NaN, infinite or too large.
    package static func quantize(
        format: UInt32, _ x: UnsafePointer<Float>, count: Int, into row: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        apus_quantize(Int32(bitPattern: format), x, count, row) != 0
    }

    // Activations

    package static func activationByteCount(rows: Int, columns: Int) -> Int { apus_activation_bytes(rows, columns) }

    package static func quantizeRow(
        _ x: UnsafePointer<Float>, columns: Int, row: Int, into q: UnsafeMutablePointer<UInt8>
    ) {
        apus_quantize_row(x, columns, row, q, nil)
    }

    /// `quantizeRow`, and into `remainder` what is left over, `x - d q`, quantized the same way: products with both see
    /// twice the bits.
    package static func quantizeRowFine(
        _ x: UnsafePointer<Float>, columns: Int, row: Int, into q: UnsafeMutablePointer<UInt8>,
        remainder: UnsafeMutablePointer<UInt8>
    ) {
        apus_quantize_row(x, columns, row, q, remainder)
    }

    package static func rmsNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, epsilon: Float, count: Int,
        into y: UnsafeMutablePointer<Float>
    ) {
        apus_rms_norm(x, weight, epsilon, count, y)
    }

    /// `rmsNorm` and `quantizeRow` (with a remainder: `quantizeRowFine`) in one; columns are a multiple of 32.
    package static func normQuantizeRow(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, epsilon: Float, columns: Int, row: Int,
        into q: UnsafeMutablePointer<UInt8>, remainder: UnsafeMutablePointer<UInt8>? = nil
    ) {
        apus_norm_quantize_row(x, weight, epsilon, columns, row, q, remainder)
    }

    /// Gates one panel pair of `rows` rows, 64 floats at `gateUp + i * stride` each, and quantizes the 32 values into
    /// `block` of rows `firstRow`... of activations `q` with `columns` columns.
    package static func swigluQuantize(
        gateUp: UnsafePointer<Float>, stride: Int, rows: Int, firstRow: Int, block: Int, columns: Int,
        into q: UnsafeMutablePointer<UInt8>
    ) {
        apus_swiglu_quantize(gateUp, stride, rows, firstRow, block, columns, q)
    }

    /// Gates and ups stand in turn, 32 of each.
    package static func swiglu(
        gateUp: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>
    ) {
        apus_swiglu(gateUp, count, y)
    }

    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias`; `count` is a multiple of 16, `y` may be `x`.
    package static func layerNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float,
        count: Int, into y: UnsafeMutablePointer<Float>
    ) {
        apus_layer_norm(x, weight, bias, epsilon, count, y)
    }

    /// The gate of BERT, by the error function; `count` is a multiple of 16, `y` may be `x`.
    package static func gelu(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) {
        apus_gelu(x, count, y)
    }

    package static func add(_ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, count: Int) {
        apus_add(y, x, count)
    }

    /// One head in place; `table` holds count / 2 cosines, then count / 2 sines.
    package static func rope(_ x: UnsafeMutablePointer<Float>, table: UnsafePointer<Float>, count: Int) {
        apus_rope(x, table, count, 1, 0)
    }

    /// `heads` heads, `stride` floats from one to the next.
    package static func rope(
        _ x: UnsafeMutablePointer<Float>, table: UnsafePointer<Float>, count: Int, heads: Int, stride: Int
    ) {
        apus_rope(x, table, count, heads, stride)
    }

    // Products

    package static func matmul(
        format: UInt32, panels: UnsafePointer<UInt8>, first: Int, last: Int, columns: Int,
        activations: UnsafeRawPointer, rows: Int, into y: UnsafeMutablePointer<Float>, stride: Int
    ) {
        apus_matmul(Int32(bitPattern: format), panels, first, last, columns, activations, rows, y, stride)
    }

    /// `matmul`, added to what `y` holds: the finished sum in one addition.
    package static func matmulAdd(
        format: UInt32, panels: UnsafePointer<UInt8>, first: Int, last: Int, columns: Int,
        activations: UnsafeRawPointer, rows: Int, into y: UnsafeMutablePointer<Float>, stride: Int
    ) {
        apus_matmul_add(Int32(bitPattern: format), panels, first, last, columns, activations, rows, y, stride)
    }

    // Attention

    package static func pageHeadByteCount(_ type: KVType, headDimension: Int) -> Int {
        apus_page_head_bytes(type.code, headDimension)
    }

    package static func storeKV(
        _ type: KVType, pageHead: UnsafeMutablePointer<UInt8>, slot: Int, key: UnsafePointer<Float>,
        value: UnsafePointer<Float>, headDimension: Int
    ) {
        apus_kv_store(type.code, pageHead, slot, key, value, headDimension)
    }

    /// Query rows of one kv head: (token, query head of the group) pairs, each with its token's position. A row sees its
    /// own token and the `window` - 1 before it (0: all); scores become `cap` tanh(score / `cap`) (0: they stay).
    // SAFETY: the caller keeps what it points to while a call runs.
    package struct QueryRows {
        fileprivate var rows: apus_attention_rows

        package init(
            _ type: KVType, queries: UnsafePointer<Float>, queryStride: Int, positions: UnsafePointer<Int32>,
            count: Int, pages: UnsafePointer<Int32>, kvBase: UnsafePointer<UInt8>, pageStride: Int,
            headDimension: Int, scale: Float, window: Int32 = 0, cap: Float = 0,
            next: (UnsafePointer<UInt8>?, UnsafePointer<UInt8>?) = (nil, nil)
        ) {
            rows = apus_attention_rows(
                type: type.code, q: queries, q_stride: queryStride, positions: positions, rows: count, pages: pages,
                kv_base: kvBase, page_stride: pageStride, head_dim: headDimension, scale: scale,
                window: window, cap: cap, next: next)
        }
    }

    package static func attention(
        _ rows: QueryRows, into out: UnsafeMutablePointer<Float>, outStride: Int, scratch: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: rows.rows) { apus_attention($0, out, outStride, scratch) }
    }

    package static func attentionScratchCount(rows: Int, headDimension: Int) -> Int {
        apus_attention_scratch(rows, headDimension)
    }

    /// Tokens whose attention is summed up by itself, so that threads can divide a long context.
    package static let segmentTokenCount = Int(APUS_SEGMENT_TOKENS)

    /// What rows see of one segment.
    /// - Parameter states: `attentionStateCount` floats for each row, overwritten.
    package static func attention(
        _ rows: QueryRows, segment: Int, into states: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: rows.rows) { apus_attention_segment($0, segment, states, scratch) }
    }

    /// The bits of `attention` from the states of all segments.
    /// - Parameter segmentStride: floats from one segment's states to the next one's.
    package static func joinAttention(
        _ rows: QueryRows, states: UnsafeMutablePointer<Float>, segmentStride: Int,
        into out: UnsafeMutablePointer<Float>, outStride: Int
    ) {
        withUnsafePointer(to: rows.rows) { apus_attention_join($0, states, segmentStride, out, outStride) }
    }

    package static func attentionStateCount(headDimension: Int) -> Int { apus_attention_state(headDimension) }

    // Logits

    /// Index of the largest value, the lowest on a tie.
    package static func argmax(_ x: UnsafeBufferPointer<Float>) -> Int {
        x.baseAddress.map { apus_argmax($0, x.count) } ?? 0
    }

    package static func max(_ x: UnsafeBufferPointer<Float>) -> Float {
        x.baseAddress.map { apus_max($0, x.count) } ?? -.infinity
    }

    /// sum_i exp(x[i] - max)
    package static func sumExp(_ x: UnsafeBufferPointer<Float>, max: Float) -> Double {
        x.baseAddress.map { apus_sum_exp($0, x.count, max) } ?? 0
    }

    package static func exp(_ x: Float) -> Float { apus_exp(x) }

    /// `maxima[g]` = largest of `x[128 g ..< 128 (g + 1)]`.
    /// - Returns: whether no logit is NaN.
    package static func groupMaxima(
        _ x: UnsafeBufferPointer<Float>, into maxima: UnsafeMutablePointer<Float>
    ) -> Bool {
        x.baseAddress.map { apus_group_maxima($0, x.count, maxima) != 0 } ?? true
    }

    /// `sums[r]` = sum of weights of `x[512 r ..< 512 (r + 1)]`, each `exp((x - max) * inverseTemperature)` rounded to a
    /// multiple of 2^-34. Exact. No logit exceeds `max`.
    /// - Parameters:
    ///   - maxima: of ``groupMaxima(_:into:)``.
    ///   - least: groups whose maximum is below it count nothing.
    package static func sumWeights(
        _ x: UnsafeBufferPointer<Float>, max: Float, inverseTemperature: Float, maxima: UnsafePointer<Float>,
        least: Float, into sums: UnsafeMutablePointer<Double>
    ) {
        guard let start = x.baseAddress else { return }
        apus_sum_weights(start, x.count, max, inverseTemperature, maxima, least, sums)
    }

    /// The weights themselves, and their distances from 1 in 16ths of the exponent, 400 at most.
    /// - Parameters:
    ///   - weights: (x.count) overwritten.
    ///   - buckets: (x.count) overwritten; never lower for a lower logit.
    package static func weigh(
        _ x: UnsafeBufferPointer<Float>, max: Float, inverseTemperature: Float,
        weights: UnsafeMutablePointer<Float>, buckets: UnsafeMutablePointer<Int32>
    ) {
        guard let start = x.baseAddress else { return }
        apus_weigh(start, x.count, max, inverseTemperature, weights, buckets)
    }
}
