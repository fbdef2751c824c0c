/// Reads one call, a JSON object with a name and arguments, byte by byte. Arguments come out as they are written.
///
/// Can be: reading, then done or malformed. Other members are skipped. A name is one without escapes.
struct ToolCallReader: Sendable {
    enum Outcome: Equatable, Sendable {
        case reading
        /// The byte was the object's last.
        case done
        /// The byte cannot stand there.
        case malformed
    }

    private enum Place: Sendable {
        case beforeObject, beforeKey, inKey, beforeColon, beforeValue, inValue, afterValue
    }

    private enum Member: Sendable {
        case name, arguments, other
    }

    private(set) var name: String?
    /// Bytes of the arguments that nobody has taken.
    private var arguments: [UInt8] = []
    private(set) var hasArguments = false
    private var place = Place.beforeObject
    private var member = Member.other
    private var key: [UInt8] = []
    private var value = JSONValueEnd()

    /// The arguments stand alone, without an object around them.
    private let isBare: Bool

    init() { isBare = false }

    /// A call whose name is known: its arguments follow.
    init(name: String) {
        self.name = name
        isBare = true
        place = .beforeValue
        member = .arguments
    }

    /// The last byte is in the arguments.
    var isInArguments: Bool { place == .inValue && member == .arguments }

    mutating func takeArguments() -> String {
        defer { arguments.removeAll(keepingCapacity: true) }
        return String(decoding: arguments, as: UTF8.self)
    }

    mutating func read(_ byte: UInt8) -> Outcome {
        switch place {
        case .beforeObject:
            if byte.isASCIISpace { return .reading }
            guard byte == UInt8(ascii: "{") else { return .malformed }
            place = .beforeKey
        case .beforeKey:
            if byte.isASCIISpace { return .reading }
            guard byte == UInt8(ascii: "\"") else { return .malformed }
            key.removeAll()
            place = .inKey
        case .inKey:
            guard byte != UInt8(ascii: "\\") else { return .malformed }
            if byte == UInt8(ascii: "\"") { place = .beforeColon } else { key.append(byte) }
        case .beforeColon:
            if byte.isASCIISpace { return .reading }
            guard byte == UInt8(ascii: ":") else { return .malformed }
            member = Self.member(key)
            place = .beforeValue
        case .beforeValue:
            if byte.isASCIISpace { return .reading }
            return beginValue(byte)
        case .inValue:
            return continueValue(byte)
        case .afterValue:
            if byte.isASCIISpace { return .reading }
            switch byte {
            case UInt8(ascii: ","): place = .beforeKey
            case UInt8(ascii: "}"): return name != nil && hasArguments ? .done : .malformed
            default: return .malformed
            }
        }
        return .reading
    }

    private static func member(_ key: [UInt8]) -> Member {
        switch String(decoding: key, as: UTF8.self) {
        case "name": .name
        case "arguments", "parameters": .arguments
        default: .other
        }
    }

    private mutating func beginValue(_ byte: UInt8) -> Outcome {
        switch member {
        case .name:
            guard name == nil, byte == UInt8(ascii: "\"") else { return .malformed }
            key.removeAll()
        case .arguments:
            guard !hasArguments, byte == UInt8(ascii: "{") else { return .malformed }
            hasArguments = true
        case .other: break
        }
        value = JSONValueEnd()
        place = .inValue
        return continueValue(byte)
    }

    private mutating func continueValue(_ byte: UInt8) -> Outcome {
        let step = value.read(byte)
        switch member {
        case .name:
            guard byte != UInt8(ascii: "\\") else { return .malformed }
            if byte != UInt8(ascii: "\"") { key.append(byte) }
        case .arguments: arguments.append(byte)
        case .other: break
        }
        switch step {
        case .inside: return .reading
        case .malformed: return .malformed
        case .last, .behind: break
        }
        if member == .name {
            guard !key.isEmpty else { return .malformed }
            name = String(decoding: key, as: UTF8.self)
        }
        if isBare { return .done }
        place = .afterValue
        return step == .behind ? read(byte) : .reading
    }
}
