/// Why a safetensors file cannot be used. `description` is one sentence with the path in front.
package struct SafetensorsError: Error, Equatable, Sendable, CustomStringConvertible {
    package let path: String
    package let fault: SafetensorsFault

    package var description: String { "\(path): \(fault)" }
}

/// What is wrong, as facts. Offsets count bytes from the start of the tensors' data.
package enum SafetensorsFault: Error, Equatable, Sendable {
    case unreadable(reason: String)
    case truncated(part: String, needed: UInt64, available: Int)
    case headerTooLong(byteCount: UInt64, limit: Int)
    case notSafetensors(firstByte: UInt8?)
    case notJSON(reason: String)
    case badEntry(tensor: String, reason: String)
    case unknownType(tensor: String, type: String)
    case wrongByteCount(tensor: String, type: String, shape: [Int], byteCount: Int)
    /// Tensors follow each other: any other offset overlaps or leaves a hole.
    case misplacedTensor(tensor: String, offset: Int, expected: Int)
    case tensorBeyondEnd(tensor: String, end: Int, available: Int)
    case trailingBytes(count: Int)
    /// Of a folder's model.safetensors.index.json. Half a sentence.
    case badIndex(reason: String)
}

extension SafetensorsFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let reason):
            "the file cannot be read: \(reason)."
        case .truncated(let part, let needed, let available):
            "\(part) needs \(needed) bytes, but \(available) are left in the file."
        case .headerTooLong(let byteCount, let limit):
            "the header is announced with \(byteCount) bytes; at most \(limit) are read."
        case .notSafetensors(let firstByte):
            "this is no safetensors file: its header begins with the byte \(firstByte.map(String.init) ?? "-"), not "
                + "with \"{\"."
        case .notJSON(let reason):
            "the header is not valid JSON: \(reason)."
        case .badEntry(let tensor, let reason):
            "the header's entry of the tensor \(tensor.quoted) cannot be used: \(reason)."
        case .unknownType(let tensor, let type):
            "the tensor \(tensor.quoted) has the unknown type \(type.quoted)."
        case .wrongByteCount(let tensor, let type, let shape, let byteCount):
            "the tensor \(tensor.quoted) of type \(type) and shape \(shape) cannot have \(byteCount) bytes."
        case .misplacedTensor(let tensor, let offset, let expected):
            "the tensor \(tensor.quoted) begins at offset \(offset) of the data, "
                + (offset < expected ? "inside the tensor before it" : "after a hole")
                + "; \(expected) was expected."
        case .tensorBeyondEnd(let tensor, let end, let available):
            "the tensor \(tensor.quoted) ends at offset \(end) of the data, but the file has \(available) bytes of it."
        case .trailingBytes(let count):
            "\(count) bytes at the end of the file belong to no tensor."
        case .badIndex(let reason):
            "\(reason)."
        }
    }
}

extension String {
    /// A name from a file, safe to print: control characters escaped, long ones cut.
    var quoted: String {
        var text = "\""
        for scalar in unicodeScalars.prefix(96) { text += scalar.escaped(asASCII: false) }
        return text + (unicodeScalars.count > 96 ? "…\"" : "\"")
    }
}
