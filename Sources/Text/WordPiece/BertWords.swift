@_spi(_Unicode) import Swift

/// Normalizes a text and cuts it into words as BERT does: at white space, and around each punctuation mark.
///
/// Source: Devlin et al., "BERT", 2019; the steps as Hugging Face's `BertNormalizer` and `BertPreTokenizer` take them.
struct BertWords: Sendable {
    let normalization: TextNormalization

    /// Calls `word` with the bytes of each word and how many characters (scalars) they are.
    func cut(_ text: String, word: (ArraySlice<UInt8>, _ scalarCount: Int) -> Void) {
        var current = Word()
        // Most texts are ASCII, and need nothing of what Unicode says of characters.
        guard text.utf8.contains(where: { $0 >= 0x80 }) else {
            for byte in text.utf8 { take(ascii: byte, &current, word) }
            return current.end(word)
        }
        func finish(_ scalar: Unicode.Scalar) {
            guard normalization.lowercases else { return take(scalar, &current, word) }
            guard !scalar.isASCII else { return take(ascii: UInt8(truncatingIfNeeded: scalar.value), &current, word) }
            for lower in scalar.properties.lowercaseMapping.unicodeScalars { take(lower, &current, word) }
        }
        guard normalization.stripsAccents else {
            for scalar in text.unicodeScalars { separate(scalar) { finish($0) } }
            return current.end(word)
        }
        var separated = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { separate(scalar) { separated.append($0) } }
        for scalar in String(separated)._nfd where scalar.properties.generalCategory != .nonspacingMark {
            finish(scalar)
        }
        current.end(word)
    }

    /// Cleans a scalar and puts spaces around it where it is an ideograph.
    private func separate(_ scalar: Unicode.Scalar, _ next: (Unicode.Scalar) -> Void) {
        if normalization.cleansText {
            guard !Self.isDropped(scalar) else { return }
            if scalar.properties.isWhitespace { return next(" ") }
        }
        guard normalization.separatesIdeographs, Self.isIdeograph(scalar.value) else { return next(scalar) }
        next(" ")
        next(scalar)
        next(" ")
    }

    /// A scalar in its final form.
    private func take(
        _ scalar: Unicode.Scalar, _ current: inout Word, _ word: (ArraySlice<UInt8>, Int) -> Void
    ) {
        if scalar.properties.isWhitespace {
            current.end(word)
        } else if Self.isPunctuation(scalar) {
            current.end(word)
            current.append(scalar)
            current.end(word)
        } else {
            current.append(scalar)
        }
    }

    /// The same for a scalar that no step but cleaning and lower case changes.
    private func take(ascii byte: UInt8, _ current: inout Word, _ word: (ArraySlice<UInt8>, Int) -> Void) {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): current.append(byte)
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): current.append(normalization.lowercases ? byte | 0x20 : byte)
        case 0x20, 0x09, 0x0A, 0x0D: current.end(word)
        case 0x00...0x1F, 0x7F:
            if normalization.cleansText { return }
            if (0x0B...0x0C).contains(byte) { current.end(word) } else { current.append(byte) }
        default:
            current.end(word)
            current.append(byte)
            current.end(word)
        }
    }

    /// The word that grows.
    private struct Word {
        private var bytes: [UInt8] = []
        private var scalarCount = 0

        mutating func append(_ byte: UInt8) {
            bytes.append(byte)
            scalarCount += 1
        }

        mutating func append(_ scalar: Unicode.Scalar) {
            bytes.append(contentsOf: UTF8.encode(scalar) ?? .init())
            scalarCount += 1
        }

        mutating func end(_ word: (ArraySlice<UInt8>, Int) -> Void) {
            guard scalarCount > 0 else { return }
            word(bytes[...], scalarCount)
            bytes.removeAll(keepingCapacity: true)
            scalarCount = 0
        }
    }

    // MARK: - Kinds of characters

    private static func isDropped(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D: return false
        case 0, 0xFFFD: return true
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control, .format, .privateUse, .surrogate: return true
        default: return false
        }
    }

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
        default: break
        }
        switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return true
        default: return false
        }
    }

    /// The blocks that BERT's authors named, not what Unicode has added since.
    private static func isIdeograph(_ value: UInt32) -> Bool {
        switch value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }
}
