/// One tensor of a file: already checked against the bytes that are there.
package struct GGUFTensor: Equatable, Sendable {
    package let name: String
    package let type: GGUFTensorType
    /// From the innermost: `dimensions[0]` numbers make a row. One to four, all at least 1.
    package let dimensions: [Int]
    /// From the start of the file.
    package let offset: Int
    package let byteCount: Int

    package var columnCount: Int { dimensions[0] }
    /// Product of all dimensions but the innermost. Cannot overflow: the tensor's bytes are in the file.
    package var rowCount: Int { dimensions.dropFirst().reduce(1, *) }
    package var rowByteCount: Int { columnCount / type.blockElementCount * type.blockByteCount }
}
