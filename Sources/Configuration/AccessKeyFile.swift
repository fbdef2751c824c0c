import Yams

/// A file of keys that callers may show.
///
///     keys:
///       - name: team-a              # the tenant
///         sha256: 9f86d081…         # of the key, in hexadecimal: `apus key` makes both
///         roles: [inference]        # this, if left out
///         requests-per-minute: 600  # no limit, if left out
///         tokens-per-minute: 100000
///         tokens-per-day: 5000000
///         requests-at-once: 20
package enum AccessKeyFile {
    package struct Entry: Equatable, Sendable {
        package var name: String
        /// 32 bytes.
        package var digest: [UInt8]
        package var roles: [String]
        package var requestsPerMinute: Int?
        package var tokensPerMinute: Int?
        package var tokensPerDay: Int?
        package var requestsAtOnce: Int?
    }

    private static let fields = [
        "name", "sha256", "roles", "requests-per-minute", "tokens-per-minute", "tokens-per-day", "requests-at-once",
    ]
    private static let nameByteCountMax = 128
    private static let limits = 1...1_000_000_000

    /// - Parameters:
    ///   - path: for the error's sentence.
    ///   - roles: those that there are; the first is what a key without any has.
    package static func read(_ text: String, path: String, roles: [String]) throws(ConfigurationError) -> [Entry] {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch { throw .unreadable(path: path, reason: "\(error)") }
        guard case .mapping(let mapping)? = root, mapping.count == 1, let list = mapping["keys"],
            case .sequence(let items) = list, !items.isEmpty
        else { throw .unreadable(path: path, reason: "the file must have a list `keys` and nothing else") }
        var entries: [Entry] = []
        for (index, item) in items.enumerated() {
            let entry = try Self.entry(item, "keys[\(index)]", path, roles)
            guard !entries.contains(where: { $0.digest == entry.digest }) else {
                throw .unreadable(path: path, reason: "keys[\(index)] is a key that is there already")
            }
            entries.append(entry)
        }
        return entries
    }

    private static func entry(
        _ node: Node, _ place: String, _ path: String, _ roles: [String]
    ) throws(ConfigurationError) -> Entry {
        guard case .mapping(let fields) = node else {
            throw .unreadable(path: path, reason: "\(place) must have name and sha256")
        }
        for (key, _) in fields {
            let name = key.string ?? ""
            guard Self.fields.contains(name) else {
                throw .unknownKey(
                    "\(place).\(name)", place: path, nearest: nearestName(to: name, among: Self.fields))
            }
        }
        func plain(_ name: String) throws(ConfigurationError) -> String? {
            guard let node = fields[name] else { return nil }
            guard let text = node.scalar?.string else {
                throw .unreadable(path: path, reason: "\(place).\(name) must be one value")
            }
            return text
        }
        let name = try plain("name") ?? ""
        guard (1...nameByteCountMax).contains(name.utf8.count) else {
            throw .badValue(
                place: "\(place).name in \(path)", value: name, expected: "a text of 1 to \(nameByteCountMax) bytes")
        }
        let hexadecimal = try plain("sha256") ?? ""
        guard let digest = HexDigits.bytes(hexadecimal), digest.count == 32 else {
            throw .badValue(
                place: "\(place).sha256 in \(path)", value: hexadecimal, expected: "64 hexadecimal digits")
        }
        let given = try self.roles(fields["roles"], place, path) ?? [roles[0]]
        for role in given where !roles.contains(role) {
            throw .badValue(
                place: "\(place).roles in \(path)", value: role, expected: "of \(roles.joined(separator: ", "))")
        }
        func limit(_ name: String) throws(ConfigurationError) -> Int? {
            guard let text = try plain(name) else { return nil }
            guard let value = Int(text), limits.contains(value) else {
                throw .badValue(
                    place: "\(place).\(name) in \(path)", value: text,
                    expected: "a whole number of \(limits.lowerBound) to \(limits.upperBound)")
            }
            return value
        }
        return Entry(
            name: name, digest: digest, roles: given, requestsPerMinute: try limit("requests-per-minute"),
            tokensPerMinute: try limit("tokens-per-minute"), tokensPerDay: try limit("tokens-per-day"),
            requestsAtOnce: try limit("requests-at-once"))
    }

    /// A list, or one role alone.
    private static func roles(
        _ node: Node?, _ place: String, _ path: String
    ) throws(ConfigurationError) -> [String]? {
        guard let node else { return nil }
        let given = node.sequence.map(Array.init) ?? [node]
        let roles = given.compactMap { $0.scalar?.string }
        guard roles.count == given.count else {
            throw .unreadable(path: path, reason: "\(place).roles must be a list of plain values")
        }
        return roles
    }
}
