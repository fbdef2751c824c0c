import Yams

/// Where a program's settings come from: a flag beats the environment, which beats the file, which beats the default.
package struct Settings: Sendable {
    private let environment: [String: String]
    private let file: [String: FileValue]
    private let filePath: String?

    private struct FileValue {
        var text: String
        var isList = false
    }

    /// - Parameters:
    ///   - environment: of the process; only `APUS_…` names are looked at.
    ///   - yaml: the text of the configuration file, if one was named.
    ///   - known: the names of this program's keys: what the file may contain.
    ///   - knownElsewhere: names of other programs' keys, which the environment may contain too.
    package init(
        environment: [String: String], yaml: String?, filePath: String?, known: [String], knownElsewhere: [String] = []
    ) throws(ConfigurationError) {
        self.filePath = filePath
        self.file =
            try yaml.map { text throws(ConfigurationError) in
                try Self.read(text, path: filePath ?? "configuration", known: known)
            } ?? [:]
        self.environment = try Self.check(environment, known: known + knownElsewhere)
    }

    /// The value of a key that has a default.
    package func value<Value>(_ key: Key<Value>, flag: String? = nil) throws(ConfigurationError) -> Value {
        guard let value = try optional(key, flag: flag) else { throw .missing(key.name) }
        return value
    }

    /// The value of a key, or its default, or nil when it has none.
    package func optional<Value>(_ key: Key<Value>, flag: String? = nil) throws(ConfigurationError) -> Value? {
        let filePlace = "\(key.name) in \(filePath ?? "configuration")"
        let said: (text: String, place: String)? =
            flag.map { ($0, "--\(key.name)") }
            ?? environment[key.environmentName].map { ($0, key.environmentName) }
            ?? file[key.name].map { ($0.text, filePlace) }
        guard let said else { return key.defaultValue }
        if said.place == filePlace, file[key.name]?.isList == true, Value.self != [String].self {
            throw .badValue(place: said.place, value: "[\(said.text)]", expected: "one value, not a list")
        }
        switch key.parse(said.text) {
        case .value(let value): return value
        case .expected(let expected):
            throw .badValue(place: said.place, value: said.text, expected: expected)
        }
    }

    private static func read(
        _ text: String, path: String, known: [String]
    ) throws(ConfigurationError) -> [String: FileValue] {
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch { throw .unreadable(path: path, reason: "\(error)") }
        guard let node else { return [:] }
        if case .scalar(let scalar) = node, scalar.string.isEmpty { return [:] }
        guard case .mapping(let mapping) = node else {
            throw .unreadable(path: path, reason: "the file must be lines of `key: value`")
        }
        var values: [String: FileValue] = [:]
        for (key, value) in mapping {
            guard let name = key.string else { throw .unreadable(path: path, reason: "a key is not text") }
            guard known.contains(name) else {
                throw .unknownKey(name, place: path, nearest: nearestName(to: name, among: known))
            }
            guard values[name] == nil else { throw .unreadable(path: path, reason: "\(name) is there twice") }
            switch value {
            case .scalar(let scalar): values[name] = FileValue(text: scalar.string)
            case .sequence(let sequence):
                let items = sequence.compactMap { $0.scalar?.string }
                guard items.count == sequence.count else {
                    throw .unreadable(path: path, reason: "\(name) must be a list of plain values")
                }
                values[name] = FileValue(text: items.joined(separator: ","), isList: true)
            default: throw .unreadable(path: path, reason: "\(name) must be a value or a list of values")
            }
        }
        return values
    }

    private static func check(
        _ environment: [String: String], known: [String]
    ) throws(ConfigurationError) -> [String: String] {
        let names = known.map { "APUS_" + String($0.uppercased().map { $0 == "-" ? "_" : $0 }) }
        var ours: [String: String] = [:]
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("APUS_") {
            if names.contains(name) {
                // Kubernetes sets NAME_PORT=tcp://… for a Service called NAME: that is not meant for us.
                if !value.hasPrefix("tcp://") { ours[name] = value }
            } else if !isForeign(name, value) {
                throw .unknownKey(name, place: "the environment", nearest: nearestName(to: name, among: names))
            }
        }
        return ours
    }

    /// Variables that Kubernetes makes for Services whose names begin with "apus", and those of the test suite.
    private static func isForeign(_ name: String, _ value: String) -> Bool {
        name.hasPrefix("APUS_TEST_") || name.hasSuffix("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
            || name.contains("_TCP_") || name.contains("_UDP_") || value.hasPrefix("tcp://")
            || value.hasPrefix("udp://")
    }
}
