import JSON

/// Names as they stand in the code. A request is asked for dozens of names and has a few: what is not there is told from a
/// constant, without a call; what is there is compared where it lies.
extension FieldReader {
    @inline(__always) private static func bit(of name: StaticString) -> UInt64 {
        bit(byteCount: name.utf8CodeUnitCount, first: name.utf8CodeUnitCount > 0 ? name.utf8Start.pointee : 0)
    }

    @inline(__always) func value(_ name: StaticString) -> JSONValue? {
        mayHave(Self.bit(of: name)) ? found(name) : nil
    }

    @inline(never) private func found(_ name: StaticString) -> JSONValue? {
        let byteCount = name.utf8CodeUnitCount
        for place in object.members.indices where object.members[place].name.utf8.count == byteCount {
            let known = object.members[place].name.utf8.span
            var same = 0
            while same < byteCount, known[same] == name.utf8Start[same] { same += 1 }
            guard same == byteCount else { continue }
            return object.members[place].value.isNull ? nil : object.members[place].value
        }
        return nil
    }

    @inline(__always) func bool(_ name: StaticString) throws(APIError) -> Bool? {
        guard let value = value(name) else { return nil }
        if case .bool(let bool) = value { return bool }
        return try bool(name.description)
    }

    @inline(__always) func string(_ name: StaticString) throws(APIError) -> String? {
        guard let value = value(name) else { return nil }
        if case .string(let string) = value { return string }
        return try string(name.description)
    }

    @inline(__always) func object(_ name: StaticString) throws(APIError) -> FieldReader? {
        mayHave(Self.bit(of: name)) ? try object(name.description) : nil
    }

    @inline(__always) func integer(_ name: StaticString, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = value(name) else { return nil }
        if case .integer(let number) = value, let whole = Int(exactly: number), range.contains(whole) { return whole }
        return try Self.integer(value, at: parameter(name.description), in: range)
    }

    @inline(__always) func number(_ name: StaticString, in range: ClosedRange<Double>) throws(APIError) -> Float? {
        guard let value = value(name) else { return nil }
        if case .integer(let number) = value, range.contains(Double(number)) { return Float(Double(number)) }
        if case .double(let number) = value, range.contains(number) { return Float(number) }
        return try Self.number(value, at: parameter(name.description), in: range)
    }

    @inline(__always) func array(_ name: StaticString, countMax: Int) throws(APIError) -> [JSONValue]? {
        guard let value = value(name) else { return nil }
        if case .array(let array) = value, array.count <= countMax { return array }
        return try array(name.description, countMax: countMax)
    }
}
