import Weights

/// Names of an encoder's tensors, as GGUF files have them.
enum EncoderTensor {
    static let embedding = "token_embd.weight"
    static let positions = "position_embd.weight"
    static let segments = "token_types.weight"
    static let embeddingNorm = "token_embd_norm"
    static let pooler = "cls"
    static let classifier = "cls.output"

    static func query(_ layer: Int) -> String { "blk.\(layer).attn_q" }
    static func key(_ layer: Int) -> String { "blk.\(layer).attn_k" }
    static func value(_ layer: Int) -> String { "blk.\(layer).attn_v" }
    static func attentionOutput(_ layer: Int) -> String { "blk.\(layer).attn_output" }
    static func attentionNorm(_ layer: Int) -> String { "blk.\(layer).attn_output_norm" }
    static func up(_ layer: Int) -> String { "blk.\(layer).ffn_up" }
    static func down(_ layer: Int) -> String { "blk.\(layer).ffn_down" }
    static func outputNorm(_ layer: Int) -> String { "blk.\(layer).layer_output_norm" }

    static func weight(_ stem: String) -> String { stem + ".weight" }
    static func bias(_ stem: String) -> String { stem + ".bias" }
}

extension EncoderSpec {
    /// Each tensor the forward pass needs and its shape, from the innermost dimension.
    var tensorShapes: [(name: String, dimensions: [Int])] {
        var shapes = [
            (EncoderTensor.embedding, [width, vocabularySize]), (EncoderTensor.positions, [width, positionCount]),
            (EncoderTensor.segments, [width, segmentCount]),
        ]
        func add(_ stem: String, _ dimensions: [Int]) {
            shapes.append((EncoderTensor.weight(stem), dimensions))
            shapes.append((EncoderTensor.bias(stem), [dimensions[dimensions.count - 1]]))
        }
        add(EncoderTensor.embeddingNorm, [width])
        for layer in 0..<layerCount {
            add(EncoderTensor.query(layer), [width, width])
            add(EncoderTensor.key(layer), [width, width])
            add(EncoderTensor.value(layer), [width, width])
            add(EncoderTensor.attentionOutput(layer), [width, width])
            add(EncoderTensor.attentionNorm(layer), [width])
            add(EncoderTensor.up(layer), [width, feedForwardWidth])
            add(EncoderTensor.down(layer), [feedForwardWidth, width])
            add(EncoderTensor.outputNorm(layer), [width])
        }
        if case .score = head {
            add(EncoderTensor.pooler, [width, width])
            add(EncoderTensor.classifier, [width, 1])
        }
        return shapes
    }

    /// - Parameter stored: how the file spells a name of ours.
    /// - Returns: the names, as the file spells them, of all that the forward pass needs.
    func checkTensors(_ file: any TensorFile, stored: (String) -> String) throws(ModelError) -> Set<String> {
        var known: Set<String> = []
        for (name, dimensions) in tensorShapes {
            let spelled = stored(name)
            guard let tensor = file.tensor(named: spelled) else { throw .missingTensor(spelled) }
            // A matrix of one row may be stored as a vector.
            let isFlat = dimensions.count == 2 && dimensions[1] == 1 && tensor.dimensions == [dimensions[0]]
            guard tensor.dimensions == dimensions || isFlat else {
                throw .wrongShape(tensor: spelled, found: tensor.dimensions, expected: dimensions)
            }
            let isFloat = [.f32, .f16, .bf16].contains(tensor.type)
            guard dimensions.count == 2 || isFloat else {
                throw .wrongType(tensor: spelled, found: tensor.type, expected: "F32, F16 or BF16")
            }
            known.insert(spelled)
        }
        return known
    }
}

/// A file whose tensors answer to GGUF's names too.
final class RenamedTensors: TensorFile {
    private let file: any TensorFile
    private let stored: @Sendable (String) -> String

    init(_ file: any TensorFile, stored: @escaping @Sendable (String) -> String) {
        self.file = file
        self.stored = stored
    }

    func tensor(named name: String) -> GGUFTensor? { file.tensor(named: stored(name)) }
    func bytes(of tensor: GGUFTensor) -> UnsafeRawBufferPointer { file.bytes(of: tensor) }
    func contentDigest() -> ContentDigest { file.contentDigest() }
    func marks() -> [FileMark] { file.marks() }
}
