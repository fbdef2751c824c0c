/// What a step gave, row by row: logits, or what was made of whole texts.
package struct StepRows {
    private let values: UnsafeBufferPointer<Float>
    private let width: Int
    private let stride: Int

    /// - Parameters:
    ///   - values: (rows, stride), owned by the runtime until its next step.
    ///   - width: numbers of a row that count.
    package init(_ values: UnsafeBufferPointer<Float>, rowCount: Int, width: Int, stride: Int) {
        precondition(
            width <= stride && values.count >= rowCount * stride,
            "the runtime gave \(values.count) numbers for \(rowCount) rows of \(width)")
        self.values = values
        self.width = width
        self.stride = stride
    }

    package init(_ values: UnsafeBufferPointer<Float>, rowCount: Int, width: Int) {
        self.init(values, rowCount: rowCount, width: width, stride: width)
    }

    package subscript(row: Int) -> UnsafeBufferPointer<Float> {
        // SAFETY: rows were counted above; the runtime keeps the memory until the next step, and the step that
        // reads a row keeps none.
        UnsafeBufferPointer(rebasing: values[row * stride..<row * stride + width])
    }
}
