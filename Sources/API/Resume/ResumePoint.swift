/// Where in which stream a client is: what an event's `id` says, and `Last-Event-ID` gives back.
///
/// All that another router needs to make the rest, since the text is a function of the request and the seed.
struct ResumePoint: Equatable, Sendable {
    /// More choices would make an id longer than the event it belongs to.
    static let choiceCountMax = 16
    /// Of each numerics id.
    static let nameByteCountMax = 96

    /// 128 bits: the answer's name.
    var name: (high: UInt64, low: UInt64)
    /// Seconds since 1970, of the stream and of the event.
    var created: Int64
    var sentAt: Int64
    /// The client's, or the one that was drawn for it.
    var seed: UInt64
    /// What `system_fingerprint` was made of; empty while several serve the model.
    var listedNumericsID: String
    /// Of the workers that made the text; nil while there is none.
    var numericsID: String?
    var hasUsage: Bool
    var choices: [ChoiceProgress]

    static func == (a: Self, b: Self) -> Bool {
        a.name == b.name && a.created == b.created && a.sentAt == b.sentAt && a.seed == b.seed
            && a.listedNumericsID == b.listedNumericsID && a.numericsID == b.numericsID && a.hasUsage == b.hasUsage
            && a.choices == b.choices
    }
}

// Bytes: a version, flags, the fields in their order, and each choice. Whole numbers are LEB128 where they are small as a
// rule, else eight bytes, the highest first.
extension ResumePoint {
    private static let version: UInt8 = 1

    func write(into bytes: inout [UInt8]) {
        // Two bytes and the count of choices, three words, two numbers, two texts; a choice is a byte, two numbers and a
        // digest.
        let byteCountMax =
            3 + 24 + 20 + 2 + listedNumericsID.utf8.count + (numericsID?.utf8.count ?? 0) + choices.count * 25
        bytes.append(addingCapacity: byteCountMax) { write(into: &$0) }
    }

    private func write(into bytes: inout OutputSpan<UInt8>) {
        let runsWhereListed = numericsID == listedNumericsID
        bytes.append(Self.version)
        bytes.append((hasUsage ? 1 : 0) | (numericsID != nil ? 2 : 0) | (runsWhereListed ? 4 : 0))
        Self.write(name.high, into: &bytes)
        Self.write(name.low, into: &bytes)
        Self.write(seed, into: &bytes)
        Self.write(number: UInt64(clamping: created), into: &bytes)
        Self.write(number: UInt64(clamping: sentAt.subtractingReportingOverflow(created).partialValue), into: &bytes)
        Self.write(text: listedNumericsID, into: &bytes)
        if let numericsID, !runsWhereListed { Self.write(text: numericsID, into: &bytes) }
        bytes.append(UInt8(clamping: choices.count))
        for choice in choices {
            bytes.append(
                (choice.hasOpened ? 1 : 0) | (choice.hasEchoed ? 2 : 0) | (choice.hasFinished ? 4 : 0))
            Self.write(number: UInt64(clamping: choice.byteCount), into: &bytes)
            Self.write(number: UInt64(clamping: choice.tokenCount), into: &bytes)
            Self.write(UInt64(choice.digest) << 32, byteCount: 4, into: &bytes)
        }
    }

    private static func write(_ word: UInt64, byteCount: Int = 8, into bytes: inout OutputSpan<UInt8>) {
        var rest = word
        for _ in 0..<byteCount {
            bytes.append(UInt8(truncatingIfNeeded: rest >> 56))
            rest <<= 8
        }
    }

    private static func write(number: UInt64, into bytes: inout OutputSpan<UInt8>) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private static func write(text: String, into bytes: inout OutputSpan<UInt8>) {
        bytes.append(UInt8(clamping: text.utf8.count))
        for byte in text.utf8 { bytes.append(byte) }
    }

    struct Malformed: Error, Equatable {}

    /// - Throws: for bytes that are not one point, whole.
    init(_ bytes: [UInt8]) throws(Malformed) {
        var reader = Reader(rest: bytes[...])
        guard try reader.byte() == Self.version else { throw Malformed() }
        let flags = try reader.byte()
        guard flags < 8, flags & 6 != 4 else { throw Malformed() }
        hasUsage = flags & 1 != 0
        name = (try reader.word(), try reader.word())
        seed = try reader.word()
        created = try reader.number()
        let (time, overflows) = created.addingReportingOverflow(try reader.number())
        guard !overflows else { throw Malformed() }
        sentAt = time
        listedNumericsID = try reader.text()
        numericsID = flags & 4 != 0 ? listedNumericsID : flags & 2 != 0 ? try reader.text() : nil
        choices = []
        for _ in 0..<(try reader.byte()) {
            let flags = try reader.byte()
            guard flags < 8 else { throw Malformed() }
            let (byteCount, tokenCount) = (try reader.number(), try reader.number())
            var choice = ChoiceProgress(
                byteCount: Int(byteCount), tokenCount: Int(tokenCount), digest: try reader.half())
            choice.hasOpened = flags & 1 != 0
            choice.hasEchoed = flags & 2 != 0
            choice.hasFinished = flags & 4 != 0
            choices.append(choice)
        }
        guard reader.rest.isEmpty else { throw Malformed() }
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func byte() throws(Malformed) -> UInt8 {
            guard let byte = rest.popFirst() else { throw Malformed() }
            return byte
        }

        mutating func half() throws(Malformed) -> UInt32 {
            var half: UInt32 = 0
            for _ in 0..<4 { half = half << 8 | UInt32(try byte()) }
            return half
        }

        mutating func word() throws(Malformed) -> UInt64 { UInt64(try half()) << 32 | UInt64(try half()) }

        /// 0...2^63 - 1.
        mutating func number() throws(Malformed) -> Int64 {
            var number: UInt64 = 0
            for shift in stride(from: 0, to: 63, by: 7) as StrideTo<UInt64> {
                let next = try byte()
                number |= UInt64(next & 0x7F) << shift
                if next < 0x80 { return Int64(number) }
            }
            throw Malformed()
        }

        mutating func text() throws(Malformed) -> String {
            let count = Int(try byte())
            guard count <= rest.count, let text = String(validating: rest.prefix(count), as: UTF8.self) else {
                throw Malformed()
            }
            rest = rest.dropFirst(count)
            return text
        }
    }
}
