/// Why a file, or a value in it, cannot be used. `description` is one sentence with the path in front.
package struct GGUFError: Error, Equatable, Sendable, CustomStringConvertible {
    package let path: String
    package let fault: GGUFFault

    package var description: String { "\(path): \(fault)" }
}

/// What is wrong, as facts. Offsets count bytes from the start of the file.
package enum GGUFFault: Error, Equatable, Sendable {
    case unreadable(reason: String)
    case notGGUF(firstBytes: [UInt8])
    case bigEndian
    case unsupportedVersion(UInt32)
    /// The file ends inside `part`, which begins at `offset`.
    case truncated(part: String, offset: Int, needed: UInt64, available: Int)
    case tooMany(part: String, count: UInt64, limit: Int)
    case stringTooLong(part: String, offset: Int, byteCount: UInt64, limit: Int)
    case notUTF8(part: String, offset: Int)
    case emptyName(part: String, offset: Int)
    case unknownValueType(key: String, rawValue: UInt32)
    case nestedArray(key: String)
    case notBoolean(key: String, byte: UInt8)
    case duplicateKey(String)
    case badAlignment(Int)
    case duplicateTensor(String)
    case badDimensionCount(tensor: String, count: UInt32)
    case badDimension(tensor: String, index: Int, value: UInt64)
    case unsupportedTensorType(tensor: String, rawValue: UInt32)
    case rowNotWholeBlocks(tensor: String, columns: Int, type: GGUFTensorType)
    case tensorTooLarge(tensor: String, dimensions: [Int])
    /// Tensors follow each other, each padded to the alignment: any other offset overlaps or leaves a hole.
    case misplacedTensor(tensor: String, offset: UInt64, expected: Int)
    case tensorBeyondEnd(tensor: String, offset: Int, byteCount: Int, available: Int)
    case trailingBytes(count: Int, offset: Int)
    case wrongValueType(key: String, expected: String, found: String)
    case valueOutOfRange(key: String, value: String, expected: String)
    case unwritable(reason: String)
    case noRoom(byteCount: Int)
    /// All tensors together.
    case tooLarge
}

extension GGUFFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let reason):
            "the file cannot be read: \(reason)."
        case .notGGUF(let bytes):
            "this is no GGUF file: it begins with the bytes \(bytes), not with \"GGUF\"."
        case .bigEndian:
            "this is a big-endian GGUF file; only little-endian files are read."
        case .unsupportedVersion(let version):
            "GGUF version \(version) is not supported; versions 2 and 3 are."
        case .truncated(let part, let offset, let needed, let available):
            "\(part) at offset \(offset) needs \(needed) bytes, but \(available) are left in the file."
        case .tooMany(let part, let count, let limit):
            "the header announces \(count) \(part); at most \(limit) are read."
        case .stringTooLong(let part, let offset, let byteCount, let limit):
            "\(part) at offset \(offset) is \(byteCount) bytes long; at most \(limit) are read."
        case .notUTF8(let part, let offset):
            "\(part) at offset \(offset) is not valid UTF-8."
        case .emptyName(let part, let offset):
            "\(part) at offset \(offset) is empty."
        case .unknownValueType(let key, let rawValue):
            "the value of \(key.quoted) has the unknown type \(rawValue)."
        case .nestedArray(let key):
            "the value of \(key.quoted) is an array of arrays, which is not read."
        case .notBoolean(let key, let byte):
            "the value of \(key.quoted) is a truth value stored as \(byte); only 0 and 1 are."
        case .duplicateKey(let key):
            "the key \(key.quoted) appears twice."
        case .badAlignment(let value):
            "general.alignment is \(value); it must be a power of two in 8...65536."
        case .duplicateTensor(let name):
            "the tensor \(name.quoted) appears twice."
        case .badDimensionCount(let tensor, let count):
            "the tensor \(tensor.quoted) has \(count) dimensions; 1 to 4 are possible."
        case .badDimension(let tensor, let index, let value):
            "dimension \(index) of the tensor \(tensor.quoted) is \(value)."
        case .unsupportedTensorType(let tensor, let rawValue):
            "the tensor \(tensor.quoted) has the type \(GGUFTensorType.name(of: rawValue) ?? "number \(rawValue)"), "
                + "which is not supported; supported are "
                + GGUFTensorType.allCases.map(\.name).joined(separator: ", ") + "."
        case .rowNotWholeBlocks(let tensor, let columns, let type):
            "the tensor \(tensor.quoted) has rows of \(columns) numbers, which \(type.name) cannot hold: "
                + "it packs \(type.blockElementCount) at a time."
        case .tensorTooLarge(let tensor, let dimensions):
            "the tensor \(tensor.quoted) of dimensions \(dimensions) is larger than any file."
        case .misplacedTensor(let tensor, let offset, let expected):
            "the tensor \(tensor.quoted) begins at offset \(offset) of the data, "
                + (offset < UInt64(expected) ? "inside the tensor before it" : "after a hole")
                + "; \(expected) was expected."
        case .tensorBeyondEnd(let tensor, let offset, let byteCount, let available):
            "the tensor \(tensor.quoted) needs \(byteCount) bytes at offset \(offset) of the data, "
                + "but \(available) are left in the file."
        case .trailingBytes(let count, let offset):
            "\(count) bytes from offset \(offset) to the end of the file belong to no tensor."
        case .wrongValueType(let key, let expected, let found):
            "the value of \(key.quoted) is \(found) where \(expected) is expected."
        case .valueOutOfRange(let key, let value, let expected):
            "the value of \(key.quoted) is \(value) where \(expected) is expected."
        case .unwritable(let reason):
            "the file cannot be written: \(reason)."
        case .noRoom(let byteCount):
            "there is no room for the \(byteCount) bytes of the file."
        case .tooLarge:
            "the tensors would make a file larger than any."
        }
    }
}
