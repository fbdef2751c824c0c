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
            // A loop's scope has two, and is made anew for each element.
            if few.isEmpty { few.reserveCapacity(4) }
            few.append((name, value))
        } else {
            others[name] = value
        }
    }

    /// Lengths first: they tell most names apart without a call.
    private func place(of name: String) -> Int? {
        few.firstIndex { $0.name.utf8.count == name.utf8.count && $0.name == name }
    }
}
