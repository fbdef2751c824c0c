/// Names that stand for models, as the setting `model-alias` lists them: `NAME=MODEL`, or `NAME=MODEL:WEIGHT` several
/// times for one name.
package enum ModelAliasList {
    package struct Entry: Equatable, Sendable {
        package var name: String
        package var model: String
        package var weight: Int
    }

    package static func read(_ items: [String]) throws(ConfigurationError) -> [Entry] {
        try ModelPair.read(
            items, of: RouterKeys.modelAlias, form: "NAME=MODEL or NAME=MODEL:WEIGHT", number: "a weight",
            in: 1...1_000_000, default: 1
        ).map { Entry(name: $0.name, model: $0.model, weight: $0.number) }
    }
}

/// Models that get copies of others' requests, as the setting `model-shadow` lists them: `MODEL=SHADOW`, or
/// `MODEL=SHADOW:PERCENT`.
package enum ModelShadowList {
    package struct Entry: Equatable, Sendable {
        package var model: String
        package var shadow: String
        package var percent: Int
    }

    package static func read(_ items: [String]) throws(ConfigurationError) -> [Entry] {
        let pairs = try ModelPair.read(
            items, of: RouterKeys.modelShadow, form: "MODEL=SHADOW or MODEL=SHADOW:PERCENT", number: "a share",
            in: 1...100, default: 100)
        if let own = pairs.first(where: { $0.name == $0.model }) {
            throw .badValue(
                place: RouterKeys.modelShadow.name, value: "\(own.name)=\(own.model)", expected: "two different models")
        }
        return pairs.map { Entry(model: $0.name, shadow: $0.model, percent: $0.number) }
    }
}

/// An item `NAME=MODEL:NUMBER` of a list.
private struct ModelPair {
    var name: String
    var model: String
    var number: Int

    private static let nameByteCountMax = 96

    /// What follows a model's last colon is the number when it is all digits: a model whose own name ends so is given
    /// with a number.
    /// - Parameters:
    ///   - form: how items look.
    ///   - number: what the number is.
    static func read(
        _ items: [String], of key: Key<[String]>, form: String, number: String, in range: ClosedRange<Int>,
        default: Int
    ) throws(ConfigurationError) -> [ModelPair] {
        var pairs: [ModelPair] = []
        for item in items {
            guard let pair = ModelPair(item, in: range, default: `default`) else {
                throw .badValue(
                    place: key.name, value: item,
                    expected: "\(form), with names of 1 to \(nameByteCountMax) bytes and \(number) of "
                        + "\(range.lowerBound) to \(range.upperBound)")
            }
            guard !pairs.contains(where: { $0.name == pair.name && $0.model == pair.model }) else {
                throw .badValue(place: key.name, value: item, expected: "given once for each name and model")
            }
            pairs.append(pair)
        }
        return pairs
    }

    private init?(_ item: String, in range: ClosedRange<Int>, default: Int) {
        guard let equals = item.firstIndex(of: "=") else { return nil }
        name = String(item[..<equals])
        var model = item[item.index(after: equals)...]
        number = `default`
        if let colon = model.lastIndex(of: ":") {
            let digits = model[model.index(after: colon)...]
            if !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
                guard let written = Int(digits), range.contains(written) else { return nil }
                number = written
                model = model[..<colon]
            }
        }
        let sizes = 1...Self.nameByteCountMax
        guard sizes.contains(name.utf8.count), sizes.contains(model.utf8.count) else { return nil }
        self.model = String(model)
    }
}
