import Yams

/// A file that lists the models one machine serves.
///
///     models:
///       - name: small               # the file's name, if left out
///         path: small.gguf          # beside the manifest, or absolute
///         sha256: 9f86d081…         # checked before the model is loaded; not checked, if left out
///         workers: 2                # as --workers says, if left out
///         load: false               # waits to be loaded; true, if left out
///         slots: 16                 # and all other settings of computing; as the flags say, if left out
package enum ModelManifest {
    package struct Entry: Equatable, Sendable {
        package var name: String?
        package var path: String
        /// 32 bytes.
        package var digest: [UInt8]?
        package var workers: Int?
        package var loadsAtStart = true
        /// Settings of computing, by key, as they were written. Each is what its key takes.
        package var computing: [String: String] = [:]
        /// Where it stands, for sentences: "models[0] in FILE".
        package var place: String

        package init(path: String, place: String) {
            self.path = path
            self.place = place
        }
    }

    private static let own = ["name", "path", "sha256", "workers", "load"]
    private static let countMax = 256

    /// What each setting of computing should have been; nil where it is that.
    private static let checks: [(name: String, expected: @Sendable (String) -> String?)] = [
        check(WorkerKeys.threads), check(WorkerKeys.slots), check(WorkerKeys.kvMemory), check(WorkerKeys.kvType),
        check(WorkerKeys.stepTokenBudget), check(WorkerKeys.stepTimeTarget), check(WorkerKeys.prefillShare),
        check(WorkerKeys.hangTimeout), check(WorkerKeys.contextLength),
        check(WorkerKeys.prefixCache), check(WorkerKeys.speculation), check(WorkerKeys.quantize),
        check(WorkerKeys.chatTemplate),
    ]
    static var computingNames: [String] { checks.map(\.name) }

    private static func check<Value>(
        _ key: Key<Value>
    ) -> (name: String, expected: @Sendable (String) -> String?) {
        (
            name: key.name,
            expected: { text in
                guard case .expected(let expected) = key.parse(text) else { return nil }
                return expected
            }
        )
    }

    /// - Parameter path: of the manifest, for sentences.
    package static func read(_ text: String, path: String) throws(ConfigurationError) -> [Entry] {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch { throw .unreadable(path: path, reason: "\(error)") }
        guard case .mapping(let mapping)? = root, mapping.count == 1, let list = mapping["models"],
            case .sequence(let items) = list, (1...countMax).contains(items.count)
        else {
            throw .unreadable(
                path: path, reason: "the file must have a list `models` of 1 to \(countMax) entries and nothing else")
        }
        var entries: [Entry] = []
        for (index, item) in items.enumerated() { entries.append(try entry(item, "models[\(index)]", path)) }
        return entries
    }

    private static func entry(_ node: Node, _ place: String, _ path: String) throws(ConfigurationError) -> Entry {
        guard case .mapping(let fields) = node else {
            throw .unreadable(path: path, reason: "\(place) must have at least a path")
        }
        var values: [String: String] = [:]
        for (key, value) in fields {
            let name = key.string ?? ""
            let known = own + computingNames
            guard known.contains(name) else {
                throw .unknownKey("\(place).\(name)", place: path, nearest: nearestName(to: name, among: known))
            }
            guard let text = value.scalar?.string else {
                throw .unreadable(path: path, reason: "\(place).\(name) must be one value")
            }
            values[name] = text
        }
        func value<Value>(_ name: String, _ key: Key<Value>) throws(ConfigurationError) -> Value? {
            guard let text = values[name] else { return nil }
            switch key.parse(text) {
            case .value(let value): return value
            case .expected(let expected):
                throw .badValue(place: "\(place).\(name) in \(path)", value: text, expected: expected)
            }
        }
        guard let file = try value("path", WorkerKeys.model) else {
            throw .unreadable(path: path, reason: "\(place) has no path")
        }
        var entry = Entry(path: file, place: "\(place) in \(path)")
        entry.name = try value("name", WorkerKeys.name)
        entry.workers = try value("workers", ServeKeys.workers)
        entry.loadsAtStart = try value("load", loads) ?? true
        if let text = values["sha256"] {
            guard let digest = HexDigits.bytes(text), digest.count == 32 else {
                throw .badValue(place: "\(place).sha256 in \(path)", value: text, expected: "64 hexadecimal digits")
            }
            entry.digest = digest
        }
        for (name, check) in checks {
            guard let text = values[name] else { continue }
            if let expected = check(text) {
                throw .badValue(place: "\(place).\(name) in \(path)", value: text, expected: expected)
            }
            entry.computing[name] = text
        }
        return entry
    }

    private static let loads = Key<Bool>.boolean("load", "Loaded at the start.", default: true)
}
