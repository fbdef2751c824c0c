/// A trace's name, 128 bits of which at least one is set.
package struct TraceID: Hashable, Sendable, CustomStringConvertible {
    package var high: UInt64
    package var low: UInt64

    /// - Returns: nil for 0, which names nothing.
    package init?(high: UInt64, low: UInt64) {
        guard high | low != 0 else { return nil }
        self.high = high
        self.low = low
    }

    /// 32 hexadecimal digits.
    package var description: String { TraceHex.text(high) + TraceHex.text(low) }
}

/// A span's name within its trace, 64 bits of which at least one is set.
package struct SpanID: Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    /// - Returns: nil for 0, which names nothing.
    package init?(_ rawValue: UInt64) {
        guard rawValue != 0 else { return nil }
        self.rawValue = rawValue
    }

    /// 16 hexadecimal digits.
    package var description: String { TraceHex.text(rawValue) }
}

/// A span as others refer to it: what callers send in the headers `traceparent` and `tracestate`, and what goes to workers.
///
/// Source: W3C Trace Context, level 2, sections 3.2 and 3.3.
package struct TraceContext: Equatable, Sendable {
    package var traceID: TraceID
    package var spanID: SpanID
    package var isSampled: Bool
    /// What other systems pass along with the trace, handed on as it came: at most ``stateByteMax`` bytes.
    package var state: String

    /// So many bytes every party must pass on; more it may cut.
    package static let stateByteMax = 512

    package init(traceID: TraceID, spanID: SpanID, isSampled: Bool, state: String = "") {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
        self.state = state
    }

    /// Reads a request's headers.
    /// - Parameters:
    ///   - parents: values of each `traceparent`; valid when there is exactly one.
    ///   - states: values of each `tracestate`, in order. A broken one is dropped, and the trace goes on without.
    /// - Returns: nil when there is no valid parent: the caller's trace is not known then.
    package init?(parents: [String], states: [String]) {
        guard parents.count == 1, let parent = Self.parent(Array(parents[0].utf8)) else { return nil }
        self = parent
        state = TraceState.joined(states, byteMax: Self.stateByteMax)
    }

    /// As `traceparent` has it: version, trace, span, flags.
    package var parent: String { "00-\(traceID)-\(spanID)-0\(isSampled ? 1 : 0)" }

    /// Two digits, then fields of fixed length with a dash before each. Versions to come may have more behind them.
    private static func parent(_ bytes: [UInt8]) -> TraceContext? {
        guard bytes.count >= 55, bytes[2] == dash, bytes[35] == dash, bytes[52] == dash,
            let version = TraceHex.value(bytes[0..<2]), version != 0xff,
            version == 0 ? bytes.count == 55 : bytes.count == 55 || bytes[55] == dash,
            let high = TraceHex.value(bytes[3..<19]), let low = TraceHex.value(bytes[19..<35]),
            let traceID = TraceID(high: high, low: low),
            let spanID = TraceHex.value(bytes[36..<52]).flatMap({ SpanID($0) }),
            let flags = TraceHex.value(bytes[53..<55])
        else { return nil }
        return TraceContext(traceID: traceID, spanID: spanID, isSampled: flags & 1 == 1)
    }

    private static let dash = UInt8(ascii: "-")
}

/// Hexadecimal digits as W3C wants them: lower case only.
private enum TraceHex {
    static func text(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    static func value(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }
}

/// The list that `tracestate` is: KEY=VALUE, the youngest first.
private enum TraceState {
    private static let entriesMax = 32

    /// - Returns: all entries in one line, cut at its end to `byteMax`; empty when one of them is broken.
    static func joined(_ lines: [String], byteMax: Int) -> String {
        var entries: [Substring] = []
        var keys: Set<Substring> = []
        for line in lines {
            for piece in line.split(separator: ",", omittingEmptySubsequences: true) {
                let entry = trimmed(piece)
                guard !entry.isEmpty else { continue }
                guard let key = key(of: entry), keys.insert(key).inserted, entries.count < entriesMax else { return "" }
                entries.append(entry)
            }
        }
        var joined = ""
        for entry in entries {
            guard joined.utf8.count + entry.utf8.count + (joined.isEmpty ? 0 : 1) <= byteMax else { break }
            if !joined.isEmpty { joined += "," }
            joined += entry
        }
        return joined
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        var text = text.drop(while: isSpace)
        while let last = text.last, isSpace(last) { text.removeLast() }
        return text
    }

    /// - Returns: nil unless both key and value are well-formed.
    private static func key(of entry: Substring) -> Substring? {
        guard let equals = entry.firstIndex(of: "=") else { return nil }
        let (key, value) = (entry[..<equals], entry[entry.index(after: equals)...])
        guard (1...256).contains(key.utf8.count), (1...256).contains(value.utf8.count),
            key.utf8.first.map({ isLetter($0) || isDigit($0) }) == true,
            key.utf8.allSatisfy({ isLetter($0) || isDigit($0) || marks.contains($0) }),
            value.utf8.allSatisfy({ (0x20...0x7e).contains($0) && $0 != UInt8(ascii: "=") })
        else { return nil }
        return key
    }

    private static let marks = Array("_-*/@".utf8)
    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
