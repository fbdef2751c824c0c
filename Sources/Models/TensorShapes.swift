import Weights

extension ModelSpec {
    typealias TensorShape = (name: String, dimensions: [Int])

    /// Each tensor the forward pass needs and its shape, from the innermost dimension, as the file has it.
    var tensorShapes: [TensorShape] {
        var shapes: [TensorShape] = [
            (TensorName.embedding, [width, vocabularySize]), (TensorName.outputNorm, [width]),
        ]
        if !tiesOutput { shapes.append((TensorName.output, [width, vocabularySize])) }
        if norm == .layer { shapes.append((TensorName.outputNormBias, [width])) }
        if ropes.isEmpty { shapes.append((TensorName.positions, [width, contextLength])) }
        for layer in 0..<layerCount {
            shapes += (attentionShapes(layer) + feedForwardShapes(layer)).map { name, dimensions in
                (name, storesTransposed ? dimensions.reversed() : dimensions)
            }
        }
        return shapes
    }

    /// What GGUF files hold of rotations beside their keys.
    var rotationShapes: [TensorShape] {
        guard let rope = ropes.first else { return [] }
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
            shapes.append((TensorName.router(layer), [width, experts.count]))
            guard !storesExpertsApart else {
                return shapes
                    + (0..<experts.count).flatMap { expert -> [TensorShape] in
                        [
                            (TensorName.gate(layer, expert: expert), [width, inner]),
                            (TensorName.up(layer, expert: expert), [width, inner]),
                            (TensorName.down(layer, expert: expert), [inner, width]),
                        ]
                    }
            }
            return shapes + [
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

    /// The file has these tensors.
    /// - Parameters:
    ///   - vectors: the types that vectors may have.
    ///   - stored: how the file spells a name of ours.
    /// - Returns: their names, as the file spells them.
    func checkTensors(
        _ shapes: [TensorShape], in file: any TensorFile, vectors: Set<GGUFTensorType>, stored: (String) -> String
    ) throws(ModelError) -> Set<String> {
        var known: Set<String> = []
        for (name, dimensions) in shapes {
            let name = stored(name)
            guard let tensor = file.tensor(named: name) else { throw .missingTensor(name) }
            guard tensor.dimensions == dimensions else {
                throw .wrongShape(tensor: name, found: tensor.dimensions, expected: dimensions)
            }
            if dimensions.count == 1, !vectors.contains(tensor.type) {
                let names = vectors.map(\.name).sorted().joined(separator: ", ")
                throw .wrongType(tensor: name, found: tensor.type, expected: names)
            }
            known.insert(name)
        }
        return known
    }

    /// - Parameter key: where the file has the factors.
    func checkRopeFactors(_ key: String) throws(ModelError) {
        for factors in ropes.flatMap({ [$0.frequencyFactors, $0.longFactors?.factors] }) {
            if let bad = factors?.first(where: { !($0 > 1e-6 && $0 < 1e6) }) {
                throw .badValue(key: key, value: "\(bad)", expected: "a positive number")
            }
        }
    }

    /// The file has exactly these tensors: one more would mean a computation we do not do.
    func checkTensors(_ file: GGUFFile) throws(ModelError) {
        try checkRopeFactors(TensorName.ropeFactors)
        let known = try checkTensors(tensorShapes + rotationShapes, in: file, vectors: [.f32]) { $0 }
        // Files of older converters carry the rotary frequencies, which follow from the keys.
        for tensor in file.tensors where !known.contains(tensor.name) && !tensor.name.hasSuffix("attn.rot_embd") {
            throw .unexpectedTensor(tensor.name, architecture: architecture)
        }
    }
}
