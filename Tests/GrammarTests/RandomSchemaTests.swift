import Inference
import JSON
import TestSupport
import Testing

@testable import Grammar

/// Random schemas, random allowed tokens: what comes out is JSON, and the schema holds for it.
@Suite struct RandomSchemaTests {
    @Test(arguments: [UInt64(11), 12, 13, 14, 15, 16]) func `whatever is chosen, the schema holds`(seed: UInt64) throws
    {
        var random = SeededRandom(seed: seed)
        var completed = 0
        for number in 0..<40 {
            let schema = Self.schema(&random, depth: 3)
            let constraint = OutputConstraint.jsonSchema(schema)
            var walk = try RandomWalk(constraint, seed: random.next())
            for _ in 0..<5 {
                guard let bytes = try walk.text() else { continue }
                completed += 1
                let text = String(decoding: bytes, as: UTF8.self)
                let value = try JSONParser.parse(bytes)
                #expect(Self.holds(schema, value), "seed \(seed), \(number): \(constraint.source) for \(text)")
            }
        }
        #expect(completed > 100, "seed \(seed)")
    }

    // MARK: - Schemas

    private static func object(_ members: [(String, JSONValue)]) -> JSONValue {
        .object(JSONObject(members: members.map { .init(name: $0, value: $1) }))
    }

    private static func schema(_ random: inout SeededRandom, depth: Int) -> JSONValue {
        switch random.below(depth > 0 ? 9 : 6) {
        case 0: return object([("type", .string("boolean"))])
        case 1:
            let low = Int64(random.below(2000)) - 1000
            return object([
                ("type", .string("integer")), ("minimum", .integer(low)),
                ("maximum", .integer(low + Int64(random.below(500)))),
            ])
        case 2:
            let low = random.below(20)
            return object([
                ("type", .string("string")), ("minLength", .integer(Int64(low))),
                ("maxLength", .integer(Int64(low + random.below(10)))),
            ])
        case 3: return object([("enum", .array([.string("a\"é"), .integer(3), .null]))])
        case 4:
            let low = Double(random.below(400) - 200) / 8
            return object([
                ("type", .string("number")), ("minimum", .double(low)), ("exclusiveMaximum", .double(low + 0.5)),
            ])
        case 5: return object([("type", .array([.string("null"), .string("string")]))])
        case 6:
            let low = random.below(4)
            return object([
                ("type", .string("array")), ("items", schema(&random, depth: depth - 1)),
                ("minItems", .integer(Int64(low))),
                ("maxItems", .integer(Int64(low + random.below(4)))),
            ])
        case 7:
            return object([("anyOf", .array([schema(&random, depth: depth - 1), schema(&random, depth: depth - 1)]))])
        default:
            let names = ["name", "a", "ab", "é", "x y", "q\""].prefix(1 + random.below(6))
            let properties = names.map { ($0, schema(&random, depth: depth - 1)) }
            return object([
                ("type", .string("object")), ("properties", object(properties)),
                ("required", .array(names.filter { _ in random.happens(0.5) }.map { .string($0) })),
                ("additionalProperties", .bool(false)),
            ])
        }
    }

    // MARK: - A validator for these

    private static func holds(_ schema: JSONValue, _ value: JSONValue) -> Bool {
        guard case .object(let keywords) = schema else { return false }
        return keywords.members.allSatisfy { keyword in
            switch (keyword.name, keyword.value, value) {
            case ("type", .string(let type), _): SchemaKeywords.isType(type, of: value)
            case ("type", .array(let types), _):
                types.contains {
                    if case .string(let type) = $0 { SchemaKeywords.isType(type, of: value) } else { false }
                }
            case ("enum", .array(let values), _): values.contains(value)
            case ("anyOf", .array(let schemas), _): schemas.contains { holds($0, value) }
            case ("minimum", let bound, _): number(value) >= number(bound)
            case ("maximum", let bound, _): number(value) <= number(bound)
            case ("exclusiveMaximum", let bound, _): number(value) < number(bound)
            case ("minLength", let bound, .string(let text)): Double(text.unicodeScalars.count) >= number(bound)
            case ("maxLength", let bound, .string(let text)): Double(text.unicodeScalars.count) <= number(bound)
            case ("minItems", let bound, .array(let items)): Double(items.count) >= number(bound)
            case ("maxItems", let bound, .array(let items)): Double(items.count) <= number(bound)
            case ("items", let schema, .array(let items)): items.allSatisfy { holds(schema, $0) }
            case ("properties", .object(let properties), .object(let object)):
                object.members.allSatisfy { member in properties[member.name].map { holds($0, member.value) } ?? false }
            case ("required", .array(let names), .object(let object)):
                names.allSatisfy { if case .string(let name) = $0 { object[name] != nil } else { false } }
            case ("additionalProperties", _, _): true
            default: false
            }
        }
    }

    private static func number(_ value: JSONValue) -> Double {
        switch value {
        case .integer(let number): Double(number)
        case .unsigned(let number): Double(number)
        case .double(let number): number
        case .null, .bool, .string, .array, .object: .nan
        }
    }
}
