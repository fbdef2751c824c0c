import JSON

/// Takes typed fields out of an object, and says in OpenAI's words what is wrong with one.
///
/// `null` counts as absent everywhere: clients send it for what they leave to the server. Unknown names are ignored.
struct FieldReader {
    let object: JSONObject
    /// Where the object stands: a path, or the list at a path and the place there.
    private let place: (path: String, index: Int?)
    /// The bits of all names that are there. A request is asked for many names and has few of them.
    private let names: UInt64

    init(_ object: JSONObject, path: String = "") {
        self.init(object, (path, nil))
    }

    /// One object of a list.
    init(_ object: JSONObject, path: String, index: Int) {
        self.init(object, (path, index))
    }

    private init(_ object: JSONObject, _ place: (path: String, index: Int?)) {
        self.object = object
        self.place = place
        var names: UInt64 = 0
        for index in object.members.indices { names |= Self.bit(of: object.members[index].name) }
        self.names = names
    }

    /// One of 64, by a name's length and its first byte.
    @inline(__always) static func bit(byteCount: Int, first: UInt8) -> UInt64 {
        1 &<< (UInt64(truncatingIfNeeded: byteCount &* 5) &+ UInt64(first))
    }

    static func bit(of name: String) -> UInt64 { bit(byteCount: name.utf8.count, first: name.utf8.first ?? 0) }

    static func bits(of names: String...) -> UInt64 { names.reduce(0) { $0 | bit(of: $1) } }

    /// False where none of the names is there that have these bits.
    func mayHave(_ bits: UInt64) -> Bool { names & bits != 0 }

    /// Where the object stands in the body: "" for the body itself, else "messages[0]".
    var path: String { place.index.map { "\(place.path)[\($0)]" } ?? place.path }

    /// Parses a body that must be an object.
    static func body(_ bytes: [UInt8]) throws(APIError) -> FieldReader {
        let value: JSONValue
        do {
            value = try JSONParser.parse(bytes)
        } catch {
            throw .invalid(nil, code: "invalid_json", error.message)
        }
        guard case .object(let object) = value else {
            throw .invalid(nil, code: "invalid_type", "The body must be a JSON object, but \(value.kind) was given.")
        }
        return FieldReader(object)
    }

    /// The field's name as clients know it.
    func parameter(_ name: String) -> String { place.path.isEmpty ? name : "\(path).\(name)" }

    /// What is there, unless it is `null`.
    @_disfavoredOverload func value(_ name: String) -> JSONValue? {
        guard names & Self.bit(of: name) != 0, let value = object[name], !value.isNull else { return nil }
        return value
    }

    @_disfavoredOverload func bool(_ name: String) throws(APIError) -> Bool? {
        guard let value = value(name) else { return nil }
        guard case .bool(let bool) = value else { throw wrongKind(name, wanted: "a boolean", value) }
        return bool
    }

    @_disfavoredOverload func string(_ name: String) throws(APIError) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let string) = value else { throw wrongKind(name, wanted: "a string", value) }
        return string
    }

    @_disfavoredOverload func object(_ name: String) throws(APIError) -> FieldReader? {
        guard let value = value(name) else { return nil }
        guard case .object(let object) = value else { throw wrongKind(name, wanted: "an object", value) }
        return FieldReader(object, path: parameter(name))
    }

    /// A whole number; `2.0` is one, `2.5` and `"2"` are not.
    @_disfavoredOverload func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = value(name) else { return nil }
        return try Self.integer(value, at: parameter(name), in: range)
    }

    static func integer(
        _ value: JSONValue, at parameter: String, in range: ClosedRange<Int>
    ) throws(APIError) -> Int {
        let whole: Int?
        let isNegative: Bool
        switch value {
        case .integer(let number): (whole, isNegative) = (Int(number), number < 0)
        case .unsigned: (whole, isNegative) = (nil, false)
        case .double(let number):
            guard number.rounded() == number else {
                throw .invalid(
                    parameter, code: "invalid_type", "\(parameter) must be a whole number, but \(number) was given.")
            }
            (whole, isNegative) = (Int(exactly: number), number < 0)
        case .null, .bool, .string, .array, .object:
            throw wrongKind(parameter, wanted: "a whole number", value)
        }
        if let whole, range.contains(whole) { return whole }
        let isBelow = whole.map { $0 < range.lowerBound } ?? isNegative
        throw .invalid(
            parameter, code: isBelow ? "integer_below_min_value" : "integer_above_max_value",
            "\(parameter) must be between \(range.lowerBound) and \(range.upperBound), but \(number(value)) was given.")
    }

    @_disfavoredOverload func number(_ name: String, in range: ClosedRange<Double>) throws(APIError) -> Float? {
        guard let value = value(name) else { return nil }
        return try Self.number(value, at: parameter(name), in: range)
    }

    static func number(
        _ value: JSONValue, at parameter: String, in range: ClosedRange<Double>
    ) throws(APIError) -> Float {
        let double: Double
        switch value {
        case .integer(let number): double = Double(number)
        case .unsigned(let number): double = Double(number)
        case .double(let number): double = number
        case .null, .bool, .string, .array, .object: throw wrongKind(parameter, wanted: "a number", value)
        }
        if range.contains(double) { return Float(double) }
        throw .invalid(
            parameter, code: double < range.lowerBound ? "decimal_below_min_value" : "decimal_above_max_value",
            "\(parameter) must be between \(text(range.lowerBound)) and \(text(range.upperBound)), "
                + "but \(number(value)) was given.")
    }

    /// A list of at most `countMax` elements.
    @_disfavoredOverload func array(_ name: String, countMax: Int) throws(APIError) -> [JSONValue]? {
        guard let value = value(name) else { return nil }
        guard case .array(let array) = value else { throw wrongKind(name, wanted: "a list", value) }
        guard array.count <= countMax else { throw tooMany(name, count: array.count, countMax: countMax) }
        return array
    }

    static func strings(
        _ elements: [JSONValue], at parameter: String, wanted: String = "a string"
    ) throws(APIError) -> [String] {
        var strings: [String] = []
        for (index, element) in elements.enumerated() {
            guard case .string(let string) = element else {
                throw wrongKind("\(parameter)[\(index)]", wanted: wanted, element)
            }
            strings.append(string)
        }
        return strings
    }

    func missing(_ name: String) -> APIError {
        let parameter = parameter(name)
        return .invalid(parameter, code: "missing_required_parameter", "\(parameter) is required.")
    }

    func tooMany(_ name: String, count: Int, countMax: Int) -> APIError {
        let parameter = parameter(name)
        return .invalid(
            parameter, code: "array_above_max_length",
            "\(parameter) may have \(countMax) elements at most, but has \(count).")
    }

    func wrongKind(_ name: String, wanted: String, _ value: JSONValue) -> APIError {
        Self.wrongKind(parameter(name), wanted: wanted, value)
    }

    static func wrongKind(_ parameter: String, wanted: String, _ value: JSONValue) -> APIError {
        .invalid(parameter, code: "invalid_type", "\(parameter) must be \(wanted), but \(value.kind) was given.")
    }

    private static func number(_ value: JSONValue) -> String {
        switch value {
        case .integer(let number): String(number)
        case .unsigned(let number): String(number)
        case .double(let number): text(number)
        case .null, .bool, .string, .array, .object: value.kind
        }
    }

    /// Whole numbers without a fraction, as people write them.
    private static func text(_ number: Double) -> String { Int(exactly: number).map { String($0) } ?? String(number) }
}
