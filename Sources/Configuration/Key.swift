/// One setting: its name, what it means, what it is when nobody says, and what it may be.
///
/// The same key is the flag `--http-port`, the variable `APUS_HTTP_PORT` and the line `http-port:` of a YAML file.
package struct Key<Value: Sendable>: Sendable {
    /// Kebab case.
    package let name: String
    package let help: String
    /// What help shows in the place of the value: "PORT".
    package let valueName: String
    /// nil when the key has no default: then somebody must say it, or its absence means something.
    package let defaultValue: Value?
    /// The default as one would write it.
    package let defaultText: String?
    /// Reads a value; the error is what the value should have been: "a whole number from 1 to 65535".
    package let parse: @Sendable (String) -> Parsed<Value>

    package var environmentName: String {
        "APUS_" + String(name.uppercased().map { $0 == "-" ? "_" : $0 })
    }
}

package enum Parsed<Value: Sendable>: Sendable {
    case value(Value)
    case expected(String)
}

extension Key where Value == Int {
    package static func integer(
        _ name: String, _ help: String, _ valueName: String = "N", default defaultValue: Int? = nil,
        in range: ClosedRange<Int>
    ) -> Key {
        Key(
            name: name, help: help, valueName: valueName, defaultValue: defaultValue,
            defaultText: defaultValue.map { String($0) }
        ) { text in
            guard let value = Int(text), range.contains(value) else {
                return .expected("a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return .value(value)
        }
    }

    /// Bytes, written as a plain number or with KiB, MiB, GiB (also Ki, Mi, Gi, as Kubernetes writes them).
    package static func bytes(
        _ name: String, _ help: String, default defaultValue: Int? = nil, defaultText: String? = nil,
        in range: ClosedRange<Int>
    ) -> Key {
        Key(
            name: name, help: help, valueName: "BYTES", defaultValue: defaultValue, defaultText: defaultText
        ) { text in
            let units: [(String, Int)] = [
                ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30),
            ]
            let unit = units.first { text.hasSuffix($0.0) }
            let digits = text.dropLast(unit?.0.count ?? 0)
            guard let count = Int(digits),
                case let (value, overflow) = count.multipliedReportingOverflow(by: unit?.1 ?? 1),
                !overflow, range.contains(value)
            else {
                return .expected("a number of bytes such as 512MiB, from \(range.lowerBound) to \(range.upperBound)")
            }
            return .value(value)
        }
    }
}

extension Key where Value == Double {
    package static func seconds(
        _ name: String, _ help: String, default defaultValue: Double? = nil, in range: ClosedRange<Double>
    ) -> Key {
        Key(
            name: name, help: help, valueName: "SECONDS", defaultValue: defaultValue,
            defaultText: defaultValue.map { plain($0) }
        ) { text in
            guard let value = Double(text), range.contains(value) else {
                return .expected("a number of seconds from \(plain(range.lowerBound)) to \(plain(range.upperBound))")
            }
            return .value(value)
        }
    }
}

extension Key where Value == Double {
    /// A part of a whole.
    package static func share(_ name: String, _ help: String, default defaultValue: Double? = nil) -> Key {
        Key(
            name: name, help: help, valueName: "SHARE", defaultValue: defaultValue,
            defaultText: defaultValue.map { plain($0) }
        ) { text in
            guard let value = Double(text), (0...1).contains(value) else { return .expected("a number from 0 to 1") }
            return .value(value)
        }
    }
}

extension Key where Value == String {
    package static func text(
        _ name: String, _ help: String, _ valueName: String, default defaultValue: String? = nil,
        maxLength: Int = 4096
    ) -> Key {
        Key(
            name: name, help: help, valueName: valueName, defaultValue: defaultValue, defaultText: defaultValue
        ) { text in
            guard !text.isEmpty, text.utf8.count <= maxLength else {
                return .expected("text of 1 to \(maxLength) bytes")
            }
            return .value(text)
        }
    }

    /// The name of an HTTP header, in lower case whatever was written.
    package static func headerName(_ name: String, _ help: String) -> Key {
        Key(name: name, help: help, valueName: "NAME", defaultValue: nil, defaultText: nil) { text in
            let isName = text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
            guard isName, (1...64).contains(text.utf8.count) else {
                return .expected("a header name of 1 to 64 letters, digits, - and _")
            }
            return .value(text.lowercased())
        }
    }

    package static func choice(_ name: String, _ help: String, of choices: [String], default defaultValue: String)
        -> Key
    {
        Key(
            name: name, help: help, valueName: choices.joined(separator: "|"), defaultValue: defaultValue,
            defaultText: defaultValue
        ) { text in
            choices.contains(text) ? .value(text) : .expected("one of \(choices.joined(separator: ", "))")
        }
    }
}

extension Key where Value == Bool {
    package static func boolean(_ name: String, _ help: String, default defaultValue: Bool) -> Key {
        Key(
            name: name, help: help, valueName: "true|false", defaultValue: defaultValue,
            defaultText: String(defaultValue)
        ) { text in
            switch text {
            case "true", "yes", "on", "1": .value(true)
            case "false", "no", "off", "0": .value(false)
            default: .expected("true or false")
            }
        }
    }
}

extension Key where Value == [String] {
    /// Several values: separated by commas, or a YAML list.
    package static func list(_ name: String, _ help: String, _ valueName: String) -> Key {
        Key(name: name, help: help, valueName: valueName, defaultValue: [], defaultText: nil) { text in
            let items = text.split(separator: ",", omittingEmptySubsequences: false).map { item in
                String(item.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
            guard items.allSatisfy({ !$0.isEmpty }) else { return .expected("a list separated by commas") }
            return .value(items)
        }
    }
}

private func plain(_ value: Double) -> String {
    Int(exactly: value).map { String($0) } ?? String(value)
}
