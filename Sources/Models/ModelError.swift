import Kernels
package import Text
package import Weights

/// Why a file cannot be served as a model. `description` is one sentence saying what is wrong, and what to change where
/// that is known.
package enum ModelError: Error, Equatable, Sendable {
    case file(GGUFError)
    case weights(SafetensorsError)
    case folder(ModelFolderError)
    case tokenizer(TokenizerError)
    case unsupportedArchitecture(String, supported: [String])
    case missingKey(String)
    case badValue(key: String, value: String, expected: String)
    case missingTensor(String)
    case wrongShape(tensor: String, found: [Int], expected: [Int])
    case wrongType(tensor: String, found: GGUFTensorType, expected: String)
    /// A NaN, an infinity, or a number too large for the type it shall be converted to.
    case unholdable(tensor: String, type: GGUFTensorType)
    /// The file holds something that this architecture does not compute, so answers would be wrong.
    case unexpectedTensor(String, architecture: String)
    /// A full sentence.
    case unsupported(String)
    case tooLittleMemory(MemoryShortage)
    /// The kernel refused memory that the limits allowed.
    case allocationFailed(byteCount: Int)
}

extension ModelError {
    /// What is wrong with a GGUF file, in this room's words.
    static func translating<T>(_ body: () throws(GGUFError) -> T) throws(ModelError) -> T {
        do throws(GGUFError) { return try body() } catch { throw .file(error) }
    }
}

extension ModelError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let error):
            error.description
        case .weights(let error):
            error.description
        case .folder(let error):
            error.description
        case .tokenizer(let error):
            error.description
        case .unsupportedArchitecture(let name, let supported):
            "The model's architecture \"\(name)\" is not supported; supported are \(supported.joined(separator: ", "))."
        case .missingKey(let key):
            "The model file lacks the key \(key)."
        case .badValue(let key, let value, let expected):
            "The model file's \(key) is \(value) where \(expected) is expected."
        case .missingTensor(let name):
            "The model file lacks the tensor \(name)."
        case .wrongShape(let tensor, let found, let expected):
            "The tensor \(tensor) is \(Self.shape(found)) where \(Self.shape(expected)) is expected."
        case .wrongType(let tensor, let found, let expected):
            "The tensor \(tensor) is stored as \(found.name) where \(expected) is expected."
        case .unholdable(let tensor, let type):
            "The tensor \(tensor) cannot become \(type.name): it holds a NaN, an infinity or a number too large for that."
        case .unexpectedTensor(let name, let architecture):
            "The model file holds the tensor \(name), which the architecture \(architecture) does not have."
        case .unsupported(let sentence):
            sentence
        case .tooLittleMemory(let shortage):
            shortage.description
        case .allocationFailed(let byteCount):
            "The system refused \(ByteText.mebibytes(byteCount)) of memory."
        }
    }

    private static func shape(_ dimensions: [Int]) -> String {
        dimensions.map(String.init).joined(separator: " × ")
    }
}

extension MemoryArena {
    /// An arena, or the sentence why there is none.
    static func reserved(byteCount: Int) throws(ModelError) -> MemoryArena {
        guard let arena = MemoryArena(byteCount: byteCount) else { throw .allocationFailed(byteCount: byteCount) }
        return arena
    }
}
