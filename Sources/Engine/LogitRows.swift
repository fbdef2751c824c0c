/// The logits of a step, row by row.
struct LogitRows {
    private let values: UnsafeBufferPointer<Float>
    private let vocabularySize: Int

    /// - Parameter values: (rows, vocabularySize), owned by the runtime until its next step.
    init(_ values: UnsafeBufferPointer<Float>, rowCount: Int, vocabularySize: Int) {
        precondition(
            values.count >= rowCount * vocabularySize,
            "the runtime gave \(values.count) logits for \(rowCount) rows of \(vocabularySize)")
        self.values = values
        self.vocabularySize = vocabularySize
    }

    subscript(row: Int) -> UnsafeBufferPointer<Float> {
        // SAFETY: rows were counted above; the runtime keeps the memory until the next step, and the step that
        // reads a row keeps none.
        UnsafeBufferPointer(rebasing: values[row * vocabularySize..<(row + 1) * vocabularySize])
    }
}
