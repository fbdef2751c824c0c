package import Logging

/// Log lines as JSON, an object a line, for collectors of logs.
///
/// Whatever a value holds, a line stays one line of printable ASCII: all else is escaped, so that nobody's text begins a line
/// of its own, or speaks to a terminal.
package struct JSONLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    package var logLevel = Logger.Level.info
    private let label: String
    private let unixSeconds: @Sendable () -> Double
    private let write: @Sendable (String) -> Void

    /// - Parameters:
    ///   - label: which program speaks.
    ///   - unixSeconds: seconds since 1970.
    ///   - write: takes a line with its end, whole.
    package init(
        label: String, unixSeconds: @escaping @Sendable () -> Double, write: @escaping @Sendable (String) -> Void
    ) {
        self.label = label
        self.unixSeconds = unixSeconds
        self.write = write
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var line = JSONLine()
        line.append("ts", number: (unixSeconds() * 1000).rounded() / 1000)
        line.append("level", text: event.level.rawValue)
        line.append("label", text: label)
        line.append("message", text: event.message.description)
        var fields = metadata
        if let metadataProvider { fields.merge(metadataProvider.get()) { $1 } }
        if let metadata = event.metadata { fields.merge(metadata) { $1 } }
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            switch value {
            case .stringConvertible(let number as Int): line.append(key, number: number)
            case .stringConvertible(let number as Double) where number.isFinite: line.append(key, number: number)
            case .string, .stringConvertible, .dictionary, .array: line.append(key, text: value.description)
            }
        }
        write(line.finish())
    }
}

/// One object of names and values, written from left to right.
private struct JSONLine {
    private var text = "{"

    mutating func append(_ name: String, number: some CustomStringConvertible) {
        begin(name)
        text += number.description
    }

    mutating func append(_ name: String, text value: String) {
        begin(name)
        quote(value)
    }

    consuming func finish() -> String { text + "}\n" }

    private mutating func begin(_ name: String) {
        if text.utf8.count > 1 { text += "," }
        quote(name)
        text += ":"
    }

    /// Source: RFC 8259, section 7. Characters beyond 16 bits are two escapes.
    private mutating func quote(_ value: String) {
        text += "\""
        for unit in value.utf16 {
            switch unit {
            case 0x22: text += "\\\""
            case 0x5c: text += "\\\\"
            case 0x20...0x7e: text.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            default:
                let digits = String(unit, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            }
        }
        text += "\""
    }
}
