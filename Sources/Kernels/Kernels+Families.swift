import CKernels

/// What some families of models have beside RMSNorm and SwiGLU. Counts are multiples of 16.
extension Kernels {
    /// GELU in its tanh form; `y` may be `x`.
    package static func geluTanh(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) {
        apus_gelu_tanh(x, count, y)
    }

    /// Quantizes the `geluTanh` of 32 values of each row, at `x + i * stride`, into `block` of rows `firstRow`... of
    /// activations `q` with `columns` columns.
    package static func geluTanhQuantize(
        _ x: UnsafePointer<Float>, stride: Int, rows: Int, firstRow: Int, block: Int, columns: Int,
        into q: UnsafeMutablePointer<UInt8>
    ) {
        apus_gelu_tanh_quantize(x, stride, rows, firstRow, block, columns, q)
    }

    /// As `swiglu`, the gates by `geluTanh`.
    package static func geglu(gateUp: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) {
        apus_geglu(gateUp, count, y)
    }

    /// As `swigluQuantize`, the gates by `geluTanh`.
    package static func gegluQuantize(
        gateUp: UnsafePointer<Float>, stride: Int, rows: Int, firstRow: Int, block: Int, columns: Int,
        into q: UnsafeMutablePointer<UInt8>
    ) {
        apus_geglu_quantize(gateUp, stride, rows, firstRow, block, columns, q)
    }

    /// `x = cap tanh(x / cap)`, `cap` > 0.
    package static func softCap(_ x: UnsafeMutablePointer<Float>, count: Int, cap: Float) {
        apus_soft_cap(x, count, cap)
    }

    /// `y += scale x`, rounded once.
    package static func addScaled(
        _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, scale: Float, count: Int
    ) {
        apus_add_scaled(y, x, scale, count)
    }
}
