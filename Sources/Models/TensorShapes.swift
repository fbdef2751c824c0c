import Weights

extension ModelSpec {
    typealias TensorShape = (name: String, dimensions: [Int])

    /// Each tensor the forward pass needs and its shape, from the innermost dimension.
    var tensorShapes: [TensorShape] {
        var shapes: [TensorShape] = [
            (TensorName.embedding, [width, vocabularySize]), (TensorName.outputNorm, [width]),
        ]
        if !tiesOutput { shapes.append((TensorName.output, [width, vocabularySize])) }
        if norm == .layer { shapes.append((TensorName.outputNormBias, [width])) }
        shapes += positionShapes
        for layer in 0..<layerCount { shapes += attentionShapes(layer) + feedForwardShapes(layer) }
        return shapes
    }

    private var positionShapes: [TensorShape] {
        guard let rope = ropes.first else { return [(TensorName.positions, [width, contextLength])] }
        let half = rope.dimensionCount / 2
        guard rope.longFactors == nil else {
            return [(TensorName.longRopeFactors, [half]), (TensorName.shortRopeFactors, [half])]
        }
        return rope.frequencyFactors == nil ? [] : [(TensorName.ropeFactors, [half])]
    }

    private func attentionShapes(_ layer: Int) -> [TensorShape] {
        var shapes: [TensorShape] = [
            (TensorName.attentionNorm(layer), [width]), (TensorName.attentionOutput(layer), [queryWidth, width]),
        ]
        if norm == .layer { shapes.append((TensorName.attentionNormBias(layer), [width])) }
        if fusesQueryKeyValue {
            shapes.append((TensorName.queryKeyValue(layer), [width, queryWidth + 2 * keyWidth]))
            if hasAttentionBias { shapes.append((TensorName.queryKeyValueBias(layer), [queryWidth + 2 * keyWidth])) }
        } else {
            shapes += [
                (TensorName.query(layer), [width, queryWidth]), (TensorName.key(layer), [width, keyWidth]),
                (TensorName.value(layer), [width, keyWidth]),
            ]
            if hasAttentionBias {
                shapes += [
                    (TensorName.queryBias(layer), [queryWidth]), (TensorName.keyBias(layer), [keyWidth]),
                    (TensorName.valueBias(layer), [keyWidth]),
                ]
            }
        }
        if hasHeadNorms {
            shapes += [(TensorName.queryNorm(layer), [headDimension]), (TensorName.keyNorm(layer), [headDimension])]
        }
        if hasBranchBias { shapes.append((TensorName.attentionOutputBias(layer), [width])) }
        if hasBranchNorms { shapes.append((TensorName.attentionBranchNorm(layer), [width])) }
        return shapes
    }

    private func feedForwardShapes(_ layer: Int) -> [TensorShape] {
        let inner = feedForward.width
        var shapes: [TensorShape] = [(TensorName.feedForwardNorm(layer), [width])]
        if norm == .layer { shapes.append((TensorName.feedForwardNormBias(layer), [width])) }
        if hasBranchBias { shapes.append((TensorName.downBias(layer), [width])) }
        if hasBranchNorms { shapes.append((TensorName.feedForwardBranchNorm(layer), [width])) }
        if let experts = feedForward.experts {
            return shapes + [
                (TensorName.router(layer), [width, experts.count]),
                (TensorName.expertGates(layer), [width, inner, experts.count]),
                (TensorName.expertUps(layer), [width, inner, experts.count]),
                (TensorName.expertDowns(layer), [inner, width, experts.count]),
            ]
        }
        shapes.append((TensorName.down(layer), [inner, width]))
        if fusesGateUp {
            shapes.append((TensorName.up(layer), [width, 2 * inner]))
        } else {
            shapes.append((TensorName.up(layer), [width, inner]))
            shapes.append(
                feedForward.gate == .gelu
                    ? (TensorName.upBias(layer), [inner]) : (TensorName.gate(layer), [width, inner]))
        }
        return shapes
    }

    /// The file has exactly these tensors: one more would mean a computation we do not do.
    func checkTensors(_ file: GGUFFile) throws(ModelError) {
        for factors in ropes.flatMap({ [$0.frequencyFactors, $0.longFactors?.factors] }) {
            if let bad = factors?.first(where: { !($0 > 1e-6 && $0 < 1e6) }) {
                throw .badValue(key: TensorName.ropeFactors, value: "\(bad)", expected: "a positive number")
            }
        }
        var known: Set<String> = []
        for (name, dimensions) in tensorShapes {
            guard let tensor = file.tensor(named: name) else { throw .missingTensor(name) }
            guard tensor.dimensions == dimensions else {
                throw .wrongShape(tensor: name, found: tensor.dimensions, expected: dimensions)
            }
            if dimensions.count == 1, tensor.type != .f32 {
                throw .wrongType(tensor: name, found: tensor.type, expected: "F32")
            }
            known.insert(name)
        }
        // Files of older converters carry the rotary frequencies, which follow from the keys.
        for tensor in file.tensors where !known.contains(tensor.name) && !tensor.name.hasSuffix("attn.rot_embd") {
            throw .unexpectedTensor(tensor.name, architecture: architecture)
        }
    }
}
