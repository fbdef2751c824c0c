/// What Python's strings can do, on valid UTF-8.
enum TemplateText {
    /// As `str.isspace` has it.
    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x20, 0x09...0x0D, 0x1C...0x1F: true
        case 0..<0x80: false
        default: scalar.properties.isWhitespace
        }
    }

    static func uppercased(_ bytes: [UInt8]) -> [UInt8] { mapped(bytes) { $0.properties.uppercaseMapping } }

    static func lowercased(_ bytes: [UInt8]) -> [UInt8] { mapped(bytes) { $0.properties.lowercaseMapping } }

    private static func mapped(_ bytes: [UInt8], _ transform: (Unicode.Scalar) -> String) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        for scalar in scalars(bytes) { output.append(contentsOf: transform(scalar).utf8) }
        return output
    }

    private static func scalars(_ bytes: [UInt8]) -> String.UnicodeScalarView {
        String(decoding: bytes, as: UTF8.self).unicodeScalars
    }

    /// First letter large, others small.
    static func capitalized(_ bytes: [UInt8]) -> [UInt8] {
        let first = Array(bytes[ScalarOffsets(bytes).range(0..<(bytes.isEmpty ? 0 : 1))])
        return uppercased(first) + lowercased(Array(bytes[first.count...]))
    }

    /// Every word's first letter as `first` makes it, others small.
    /// - Parameter startsWord: whether the next character begins a word, after this one.
    static func titled(
        _ bytes: [UInt8], first: (Unicode.Scalar.Properties) -> String, startsWord: (Unicode.Scalar) -> Bool
    ) -> [UInt8] {
        var output: [UInt8] = []
        var isStart = true
        for scalar in scalars(bytes) {
            output += Array((isStart ? first(scalar.properties) : scalar.properties.lowercaseMapping).utf8)
            isStart = startsWord(scalar)
        }
        return output
    }

    enum Sides { case both, left, right }

    /// - Parameter characters: to take away; nil for white space.
    static func trimmed(_ bytes: [UInt8], _ sides: Sides, of characters: [UInt8]? = nil) -> [UInt8] {
        let set = characters.map { Set(scalars($0)) }
        func goes(_ character: ArraySlice<UInt8>) -> Bool {
            guard let scalar = String(decoding: character, as: UTF8.self).unicodeScalars.first else { return false }
            return set?.contains(scalar) ?? isSpace(scalar)
        }
        // ASCII is asked for once, since texts may be long.
        let ascii = (0..<0x80).map { goes([UInt8($0)]) }
        var (start, end) = (0, bytes.count)
        while sides != .right, start < end {
            var next = start + 1
            while next < end, bytes[next] & 0xC0 == 0x80 { next += 1 }
            guard next == start + 1 ? ascii[Int(bytes[start])] : goes(bytes[start..<next]) else { break }
            start = next
        }
        while sides != .left, start < end {
            var last = end - 1
            while last > start, bytes[last] & 0xC0 == 0x80 { last -= 1 }
            guard last == end - 1 ? ascii[Int(bytes[last])] : goes(bytes[last..<end]) else { break }
            end = last
        }
        return Array(bytes[start..<end])
    }

    /// Cuts that are made at most: a list of more parts is above `TemplateLimits.textByteCount`, so who asked for them
    /// gets an error before they take memory.
    private static let cutCount = TemplateLimits.textByteCount / 32 + 1

    /// Words between white space.
    static func words(_ bytes: [UInt8]) -> [[UInt8]] {
        scalars(bytes).split(maxSplits: cutCount, whereSeparator: isSpace).map { Array(String($0).utf8) }
    }

    /// - Parameters:
    ///   - limit: cuts at most so often.
    static func split(_ bytes: [UInt8], at separator: [UInt8], limit: Int) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var start = 0
        for cut in TextSearch(separator).all(in: bytes, limit: min(limit, cutCount)) {
            parts.append(Array(bytes[start..<cut]))
            start = cut + separator.count
        }
        return parts + [Array(bytes[start...])]
    }

    /// A line ends with LF, CR or CR LF.
    static func lines(_ bytes: [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = 0
        var last: UInt8 = 0
        for (place, byte) in bytes.enumerated() {
            defer { last = byte }
            guard byte == 0x0A || byte == 0x0D else { continue }
            if byte == 0x0A, last == 0x0D {
                start = place + 1
                continue
            }
            lines.append(Array(bytes[start..<place]))
            start = place + 1
        }
        return start < bytes.count ? lines + [Array(bytes[start...])] : lines
    }
}
