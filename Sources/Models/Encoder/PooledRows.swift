import Kernels

/// From the vectors of a text's tokens to what it is asked for. On one thread, in one order.
extension EncoderStep {
    /// Writes the output of each text: (texts, output count).
    func pool(_ head: EncoderSpec.Head, into outputs: UnsafeMutablePointer<Float>) {
        switch head {
        case .vector(let pooling):
            for (index, text) in pass.texts.enumerated() {
                pool(text, pooling, into: outputs + index * spec.width)
            }
        case .score(let scale):
            guard let scorer = weights.scorer else { return }
            for index in pass.texts.indices { outputs[index] = score(index, scorer, scale) }
        }
    }

    private func pool(
        _ text: EncoderPass.Text, _ pooling: EncoderSpec.TokenPooling, into y: UnsafeMutablePointer<Float>
    ) {
        let width = spec.width
        switch pooling {
        case .first: y.update(from: stream + text.rows.lowerBound * width, count: width)
        case .last: y.update(from: stream + (text.rows.upperBound - 1) * width, count: width)
        case .mean:
            // The sum will do: its length is brought to 1 anyway.
            y.update(from: stream + text.rows.lowerBound * width, count: width)
            for row in text.rows.dropFirst() { Kernels.add(y, stream + row * width, count: width) }
        }
        var square = 0.0
        for column in 0..<width { square += Double(y[column]) * Double(y[column]) }
        // As PyTorch's normalize: a vector of zeros stays one.
        let scale = 1 / max(square.squareRoot(), 1e-12)
        for column in 0..<width { y[column] = Float(Double(y[column]) * scale) }
    }

    private func score(
        _ index: Int, _ scorer: EncoderWeights.Scorer, _ scale: EncoderSpec.ScoreScale
    ) -> Float {
        // The rows of the pass are done with: their memory holds the pooled row.
        normed.store(stream + pass.texts[index].rows.lowerBound * spec.width, row: 0)
        scorer.pooler.multiply(
            0..<scorer.pooler.panelCount, normed, firstRow: 0, rows: 1, into: hidden,
            stride: scorer.pooler.panelCount * Kernels.panelRowCount)
        var logit = Double(scorer.classifierBias)
        for column in 0..<spec.width {
            logit += Double(Self.tanh(hidden[column] + scorer.poolerBias[column])) * Double(scorer.classifier[column])
        }
        switch scale {
        case .logit: return Float(logit)
        case .probability: return 1 / (1 + Kernels.exp(-Float(logit)))
        }
    }

    private static func tanh(_ x: Float) -> Float {
        let small = Kernels.exp(-2 * x.magnitude)
        let y = (1 - small) / (1 + small)
        return x < 0 ? -y : y
    }
}
