/// The printable stand-ins that byte-level vocabularies write bytes with.
///
/// Source: GPT-2 (Radford et al., 2019): printable Latin-1 stands for itself, other bytes for U+0100 and up.
enum ByteAlphabet {
    /// Scalar value for each byte.
    static let scalars: [UInt32] = {
        var scalars: [UInt32] = []
        var next: UInt32 = 0x100
        for byte: UInt32 in 0...255 {
            let isPrintable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
            if isPrintable {
                scalars.append(byte)
            } else {
                scalars.append(next)
                next += 1
            }
        }
        return scalars
    }()

    private static let bytes: [UInt32: UInt8] = {
        Dictionary(uniqueKeysWithValues: scalars.enumerated().map { ($1, UInt8(truncatingIfNeeded: $0)) })
    }()

    /// The bytes a vocabulary entry stands for; nil when it is not written in this alphabet.
    static func decode(_ text: String) -> [UInt8]? {
        var decoded: [UInt8] = []
        for scalar in text.unicodeScalars {
            guard let byte = bytes[scalar.value] else { return nil }
            decoded.append(byte)
        }
        return decoded
    }
}
