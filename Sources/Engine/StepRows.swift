/// What a step gave, row by row: logits, or what was made of whole texts.
struct StepRows {
    private let values: UnsafeBufferPointer<Float>
    private let width: Int

    /// - Parameter values: (rows, width), owned by the runtime until its next step.
    init(_ values: UnsafeBufferPointer<Float>, rowCount: Int, width: Int) {
        precondition(
            values.count >= rowCount * width,
            "the runtime gave \(values.count) numbers for \(rowCount) rows of \(width)")
        self.values = values
        self.width = width
    }

    subscript(row: Int) -> UnsafeBufferPointer<Float> {
        // SAFETY: rows were counted above; the runtime keeps the memory until the next step, and the step that
        // reads a row keeps none.
        UnsafeBufferPointer(rebasing: values[row * width..<(row + 1) * width])
    }
}
