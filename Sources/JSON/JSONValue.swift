/// A JSON text as values. Numbers keep what they were: whole ones that fit are exact integers, all others doubles.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// A whole number without fraction or exponent, -2^63...2^63 - 1.
    case integer(Int64)
    /// The same, 2^63...2^64 - 1.
    case unsigned(UInt64)
    /// Infinite where the text has a number that is larger than any double.
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    package var isNull: Bool { if case .null = self { true } else { false } }

    /// "a string", "a list" …: for sentences that say what came instead of what was wanted.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .unsigned, .double: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }
}

extension Double {
    /// As JSON writes it. What is infinite becomes a number that is read as infinite again: JSON has no other way.
    package var jsonText: String { isInfinite ? (self > 0 ? "1e999" : "-1e999") : description }
}

/// The members of an object in the order they came. No name comes twice; names are the same when their bytes are.
package struct JSONObject: Hashable, Sendable {
    package struct Member: Hashable, Sendable {
        package var name: String
        package var value: JSONValue

        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    package var members: [Member]

    package init(members: [Member] = []) { self.members = members }

    /// Linear: requests have a dozen members, and whoever expects thousands walks through `members`.
    package subscript(name: String) -> JSONValue? { place(of: name).map { members[$0].value } }

    func place(of name: String) -> Int? {
        let byteCount = name.utf8.count
        // By place: a member that is taken out is copied. Lengths first: they tell most names apart without a call.
        for place in members.indices
        where members[place].name.utf8.count == byteCount && Self.areEqual(members[place].name, name) {
            return place
        }
        return nil
    }

    /// Of names equally long in bytes.
    private static func areEqual(_ one: String, _ other: String) -> Bool {
        let (one, other) = (one.utf8.span, other.utf8.span)
        for place in one.indices where one[place] != other[place] { return false }
        return true
    }
}
