import JSON

/// Takes fields out of an object of Kubernetes' API. `null` counts as absent; an absent list is empty.
struct KubernetesObject {
    let fields: JSONObject
    let path: String

    init(_ value: JSONValue, at path: String) throws(KubernetesError) {
        guard case .object(let fields) = value else { throw .malformed(path: path) }
        self.fields = fields
        self.path = path
    }

    init(parsing bytes: [UInt8]) throws(KubernetesError) {
        let value: JSONValue
        do throws(JSONError) { value = try JSONParser.parse(bytes) } catch { throw .notJSON(error.message) }
        try self.init(value, at: "")
    }

    private func place(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    private func value(_ name: String) -> JSONValue? { fields[name].flatMap { $0 == .null ? nil : $0 } }

    func optionalString(_ name: String) throws(KubernetesError) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw .malformed(path: place(name)) }
        return text
    }

    func string(_ name: String) throws(KubernetesError) -> String {
        guard let text = try optionalString(name) else { throw .malformed(path: place(name)) }
        return text
    }

    func optionalInteger(_ name: String) throws(KubernetesError) -> Int? {
        guard let value = value(name) else { return nil }
        guard case .integer(let number) = value else { throw .malformed(path: place(name)) }
        return Int(number)
    }

    func optionalBool(_ name: String) throws(KubernetesError) -> Bool? {
        guard let value = value(name) else { return nil }
        guard case .bool(let isTrue) = value else { throw .malformed(path: place(name)) }
        return isTrue
    }

    func optionalObject(_ name: String) throws(KubernetesError) -> KubernetesObject? {
        guard let value = value(name) else { return nil }
        return try KubernetesObject(value, at: place(name))
    }

    func object(_ name: String) throws(KubernetesError) -> KubernetesObject {
        guard let object = try optionalObject(name) else { throw .malformed(path: place(name)) }
        return object
    }

    /// The objects of a list.
    func list(_ name: String) throws(KubernetesError) -> [KubernetesObject] {
        guard let value = value(name) else { return [] }
        guard case .array(let items) = value else { throw .malformed(path: place(name)) }
        var objects: [KubernetesObject] = []
        for (index, item) in items.enumerated() {
            objects.append(try KubernetesObject(item, at: "\(place(name))[\(index)]"))
        }
        return objects
    }
}
