/// Names that stand for models, as the setting `model-alias` lists them: `NAME=MODEL`, or `NAME=MODEL:WEIGHT` several
/// times for one name.
package enum ModelAliasList {
    package struct Entry: Equatable, Sendable {
        package var name: String
        package var model: String
        package var weight: Int
    }

    private static let weights = 1...1_000_000
    private static let nameByteCountMax = 96

    /// What follows a model's last colon is its weight when it is all digits: a model whose own name ends so is given
    /// with a weight.
    package static func read(_ items: [String]) throws(ConfigurationError) -> [Entry] {
        var entries: [Entry] = []
        for item in items {
            let entry = try entry(item)
            guard !entries.contains(where: { $0.name == entry.name && $0.model == entry.model }) else {
                throw .badValue(
                    place: RouterKeys.modelAlias.name, value: item, expected: "given once for each name and model")
            }
            entries.append(entry)
        }
        return entries
    }

    private static func entry(_ item: String) throws(ConfigurationError) -> Entry {
        let malformed = ConfigurationError.badValue(
            place: RouterKeys.modelAlias.name, value: item,
            expected: "NAME=MODEL or NAME=MODEL:WEIGHT, with names of 1 to \(nameByteCountMax) bytes and a weight of "
                + "\(weights.lowerBound) to \(weights.upperBound)")
        guard let equals = item.firstIndex(of: "=") else { throw malformed }
        let name = String(item[..<equals])
        var model = item[item.index(after: equals)...]
        var weight = 1
        if let colon = model.lastIndex(of: ":") {
            let digits = model[model.index(after: colon)...]
            if !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
                guard let number = Int(digits), weights.contains(number) else { throw malformed }
                weight = number
                model = model[..<colon]
            }
        }
        let sizes = 1...nameByteCountMax
        guard sizes.contains(name.utf8.count), sizes.contains(model.utf8.count) else { throw malformed }
        return Entry(name: name, model: String(model), weight: weight)
    }
}
