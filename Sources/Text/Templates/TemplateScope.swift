/// Names and their values in one block of a template. Most blocks have a handful, and going through those is quicker than
/// hashing a name; the rest, where there are more, are in a table.
struct TemplateScope {
    private var few: [(name: String, value: RuntimeValue)] = []
    private var others: [String: RuntimeValue] = [:]

    private static let fewCount = 16

    subscript(_ name: String) -> RuntimeValue? {
        if let place = place(of: name) { return few[place].value }
        return others.isEmpty ? nil : others[name]
    }

    mutating func set(_ name: String, _ value: RuntimeValue) {
        if let place = place(of: name) {
            few[place].value = value
        } else if few.count < Self.fewCount {
            // A loop's scope has two.
            if few.isEmpty { few.reserveCapacity(4) }
            few.append((name, value))
        } else {
            others[name] = value
        }
    }

    /// Room is kept for as many again.
    mutating func removeAll() {
        few.removeAll(keepingCapacity: true)
        others.removeAll()
    }

    /// Lengths first: they tell most names apart without a call.
    private func place(of name: String) -> Int? {
        let byteCount = name.utf8.count
        // By place: an entry that is taken out is copied, its value too.
        for place in few.indices where few[place].name.utf8.count == byteCount && few[place].name == name {
            return place
        }
        return nil
    }
}
