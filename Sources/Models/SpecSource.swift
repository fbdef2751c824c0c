import Weights

/// What an architecture's reader asks a file: keys under the architecture's name, with errors in this room's words.
struct SpecSource {
    let file: GGUFFile

    init(_ file: GGUFFile) {
        self.file = file
    }

    func architecture() throws(ModelError) -> String {
        guard let name = try string("general.architecture") else { throw .missingKey("general.architecture") }
        guard try ModelError.translating({ () throws(GGUFError) in try file.metadata.uint("split.count") }) ?? 1 <= 1
        else {
            throw .unsupported("The model is split over several files; join them into one GGUF file first.")
        }
        return name
    }

    func string(_ key: String) throws(ModelError) -> String? {
        try ModelError.translating { () throws(GGUFError) in try file.metadata.string(key) }
    }

    func count(_ key: String) throws(ModelError) -> Int? {
        try ModelError.translating { () throws(GGUFError) in try file.metadata.uint(key) }
    }

    func requiredCount(_ key: String) throws(ModelError) -> Int {
        guard let value = try count(key) else { throw .missingKey(key) }
        return value
    }

    func flag(_ key: String) throws(ModelError) -> Bool? {
        try ModelError.translating { () throws(GGUFError) in try file.metadata.bool(key) }
    }

    func number(_ key: String) throws(ModelError) -> Double? {
        try ModelError.translating { () throws(GGUFError) in try file.metadata.float(key) }
    }

    func requiredNumber(_ key: String) throws(ModelError) -> Double {
        guard let value = try number(key) else { throw .missingKey(key) }
        return value
    }

    /// All values of an F32 vector, nil when the file has no such tensor.
    func vector(_ name: String) throws(ModelError) -> [Float]? {
        guard let tensor = file.tensor(named: name) else { return nil }
        guard tensor.type == .f32 else { throw .wrongType(tensor: name, found: tensor.type, expected: "F32") }
        guard tensor.rowCount == 1, tensor.columnCount <= 65_536 else {
            throw .wrongShape(tensor: name, found: tensor.dimensions, expected: [tensor.columnCount])
        }
        return Dequantization.values(of: file.bytes(of: tensor), type: .f32)
    }

    /// Rows of the token embedding: the size of the vocabulary, whatever other keys say.
    func vocabularySize() throws(ModelError) -> Int {
        guard let embedding = file.tensor(named: TensorName.embedding) else {
            throw .missingTensor(TensorName.embedding)
        }
        guard embedding.rowCount <= 4_194_304 else {
            throw .unsupported("The model's vocabulary of \(embedding.rowCount) tokens is larger than 4194304.")
        }
        return embedding.rowCount
    }
}
