/// How numbers and texts stand in a GGUF file.
extension [UInt8] {
    mutating func append(littleEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { self += $0 }
    }

    mutating func append(text: String) {
        append(littleEndian: UInt64(text.utf8.count))
        self += text.utf8
    }
}
