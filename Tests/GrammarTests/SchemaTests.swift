import Inference
import Testing

@testable import Grammar

/// Which JSON a schema allows here: never more than its validators do.
@Suite struct SchemaTests {
    typealias Row = (source: String, accepted: [String], rejected: [String])

    static let rows: [Row] = [
        (
            #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"]}"#,
            [#"{"a":1}"#, #"{"a": -5, "b": "x\n"}"#, "{\n  \"a\": 0,\n  \"b\": \"é\"\n}"],
            [#"{}"#, #"{"b":"x"}"#, #"{"b":"x","a":1}"#, #"{"a":1.5}"#, #"{"a":01}"#, #"{"a":1,"c":2}"#, #"{"a":1}x"#]
        ),
        (
            #"{"properties":{"a":true,"b":true,"c":true}}"#,
            ["{}", #"{"a":1}"#, #"{"b":[]}"#, #"{"c":{"x":null}}"#, #"{"a":1,"c":2}"#, #"{"b":1,"c":2}"#],
            [#"{"c":1,"a":2}"#, #"{"a":1,}"#, #"{,"b":1}"#]
        ),
        (
            #"{"type":"object","properties":{"ab":{"const":1}},"additionalProperties":{"type":"boolean"}}"#,
            ["{}", #"{"ab":1}"#, #"{"a":true}"#, #"{"ab":1,"abc":false,"é":true}"#],
            [#"{"ab":true}"#, #"{"x":true,"ab":1}"#, #"{"a":1}"#]
        ),
        (
            #"{"type":"object","required":["x"],"additionalProperties":{"type":"null"}}"#,
            [#"{"x":null}"#, #"{"x":null,"y":null}"#],
            ["{}", #"{"y":null}"#]
        ),
        (
            #"{"type":"array","items":{"type":"integer"}}"#, ["[]", "[1]", "[1, 2,3]", "[\n 1\n]"],
            ["[1,]", "[a]", "[1 2]"]
        ),
        (
            #"{"type":"array","items":{"enum":[1,2]},"minItems":1,"maxItems":2}"#, ["[1]", "[2,1]"],
            ["[]", "[1,1,1]", "[3]"]
        ),
        (
            #"{"prefixItems":[{"const":"a"},{"type":"boolean"}],"minItems":1,"items":{"type":"null"}}"#,
            [#"["a"]"#, #"["a",true]"#, #"["a",true,null,null]"#], ["[]", "[true]", #"["a",null]"#]
        ),
        (#"{"prefixItems":[{"const":1}],"minItems":3}"#, [#"[1,2,"x"]"#, "[1,1,1,1]"], ["[1,2]", "[2,2,2]"]),
        (
            #"{"allOf":[{"prefixItems":[{"const":1}],"items":{"const":2}},{"minItems":2},{"items":true}]}"#,
            ["[1,2]", "[1,2,2]"], ["[1]", "[1,1]"]
        ),
        (#"{"type":"array","maxItems":0}"#, ["[]"], ["[1]"]),
        (
            #"{"type":"string","minLength":2,"maxLength":3}"#, [#""ab""#, #""日本語""#, #""a\u00e9""#, #""\"\\""#],
            [#""a""#, #""abcd""#]
        ),
        (#"{"type":"string","pattern":"^[a-z]+\"$"}"#, [#""ab\"""#], [#""ab""#, #""1\"""#]),
        (#"{"type":"string","pattern":"b"}"#, [#""abc""#, #""b""#], [#""ac""#]),
        (#"{"type":"string","pattern":"^a|b$"}"#, [#""ax""#, #""xb""#], [#""xa""#, #""bx""#]),
        (#"{"format":"date"}"#, [#""2024-02-28""#], [#""2024-02-30""#, #""2024-13-01""#, #""24-01-01""#]),
        (
            #"{"format":"date-time"}"#, [#""2024-01-31T23:59:59Z""#, #""1999-12-01T00:00:00.5+02:00""#],
            [#""2024-01-31""#]
        ),
        (#"{"format":"uuid"}"#, [#""123e4567-e89b-12d3-a456-426614174000""#], [#""123""#]),
        (#"{"format":"email"}"#, [#""a.b@example.org""#], [#""a@b""#, #""@x.org""#]),
        (#"{"format":"ipv4"}"#, [#""10.0.255.1""#], [#""256.1.1.1""#, #""1.1.1""#]),
        (
            #"{"type":"integer","minimum":-12,"maximum":105}"#, ["-12", "-9", "0", "7", "99", "105"],
            ["-13", "106", "-0", "200", "1.0"]
        ),
        (#"{"type":"integer","exclusiveMinimum":9,"maximum":10}"#, ["10"], ["9", "11"]),
        (
            #"{"type":"integer","minimum":995,"maximum":20034}"#, ["995", "1000", "9999", "19999", "20034"],
            ["994", "20035", "99999"]
        ),
        (#"{"type":"integer","maximum":-3}"#, ["-3", "-10"], ["-2", "0", "3"]),
        (#"{"type":"integer","minimum":1.5}"#, ["2", "10"], ["1", "0", "-4"]),
        (
            #"{"type":"number","minimum":0,"maximum":1}"#, ["0", "1", "0.5", "1.000", "0.999"],
            ["-0.1", "1.01", "2", "-1"]
        ),
        (
            #"{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":2.5}"#, ["0.001", "2.49", "1", "2.4999"],
            ["0", "0.0", "2.5", "2.50", "3"]
        ),
        (
            #"{"type":"number","minimum":-2.25,"maximum":-0.5}"#, ["-0.5", "-2.25", "-1", "-0.50", "-2.2"],
            ["-0.4", "-2.26", "0", "1", "-3"]
        ),
        (#"{"type":"number","minimum":12.5}"#, ["12.5", "13", "100.1", "12.51"], ["12.4", "12", "1"]),
        (
            #"{"type":"number","minimum":99,"exclusiveMaximum":100}"#, ["99", "99.999999999999", "99.0"],
            ["99.9999999999999", "99.9999999999999999", "100"]
        ),
        (
            #"{"type":"number","minimum":7,"exclusiveMaximum":100}"#, ["99.999999999999", "98.9999999999999999", "7"],
            ["99.9999999999999999", "6.9"]
        ),
        (
            #"{"type":"number","exclusiveMinimum":100,"maximum":100.5}"#, ["100.000000000001", "100.5"],
            ["100.0000000000000001", "100", "100.51"]
        ),
        (
            #"{"type":"number","exclusiveMinimum":0}"#, ["0.000000000000001", "9.99", "123456.7890123456"],
            ["0", "0.0", "-1"]
        ),
        (
            #"{"type":"number","minimum":0.00001,"maximum":1e-3}"#, ["0.00001", "0.00099", "0.001"],
            ["0.000009", "0.01"]
        ),
        (#"{"type":"number"}"#, ["0", "-1.5", "1e5", "2.5E-10"], ["01", ".5", "1.", "+1", "1e"]),
        (
            #"{"enum":["a\"b",1,null,true,{"x":[1]}]}"#, [#""a\"b""#, "1", "null", "true", #"{"x":[1]}"#],
            ["2", "false"]
        ),
        (#"{"type":["string","null"],"enum":["a",null,3]}"#, [#""a""#, "null"], ["3"]),
        (#"{"type":["integer","null"]}"#, ["1", "null"], ["true"]),
        (#"{"type":"string","nullable":true}"#, ["null", #""""#], ["1"]),
        (#"{"allOf":[{"type":"boolean","nullable":true},{"type":"boolean"}]}"#, ["true"], ["null"]),
        (#"{"allOf":[{"type":"boolean","nullable":true},{"type":["boolean","null"]}]}"#, ["true", "null"], ["1"]),
        (
            #"{"type":"object","properties":{"a":{"items":{},"unevaluatedItems":false}},"unevaluatedProperties":false}"#,
            ["{}", #"{"a":[1]}"#], [#"{"b":1}"#]
        ),
        (#"{"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]}"#, ["12", #""a""#], [#""ab""#, "null"]),
        (
            #"{"type":"object","properties":{"k":{"type":"integer"}},"anyOf":[{"required":["k"]}]}"#, [#"{"k":1}"#],
            ["{}"]
        ),
        (
            #"{"oneOf":[{"type":"object","properties":{"t":{"const":"a"},"x":{"type":"integer"}},"required":["t"]},{"type":"object","properties":{"t":{"const":"b"}},"required":["t"]}]}"#,
            [#"{"t":"a","x":1}"#, #"{"t":"b"}"#], [#"{"t":"b","x":1}"#]
        ),
        (
            #"{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}}},{"properties":{"b":{"type":"null"}},"required":["a","b"]}]}"#,
            [#"{"a":1,"b":null}"#], [#"{"a":1}"#]
        ),
        (
            #"{"allOf":[{"enum":["a",1,{"x":1}]},{"enum":[{"x":1},2,"a"]}]}"#, [#""a""#, #"{"x":1}"#], ["1", "2"]
        ),
        (
            #"{"allOf":[{"properties":{"a":{"minLength":1}},"required":["a"]},{"properties":{"a":{"maxLength":2}}},{"properties":{"a":{"type":"string"}}}]}"#,
            [#"{"a":"x"}"#, #"{"a":"xy"}"#], ["{}", #"{"a":""}"#, #"{"a":"xyz"}"#, #"{"a":1}"#]
        ),
        (
            #"{"type":"object","properties":{"abc":{},"ab":{},"b\"":{}},"additionalProperties":{"type":"null"}}"#,
            [#"{"ab":1}"#, #"{"abcd":null}"#, #"{"a":null,"":null}"#, #"{"b":null}"#], [#"{"abx":1}"#, #"{"a":1}"#]
        ),
        (
            ##"{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["next"]}}}"##,
            [#"{"next":null}"#, #"{"next":{"next":{"next":null}}}"#], ["{}", #"{"next":{}}"#]
        ),
        (
            ##"{"properties":{"a":{"$ref":"#/$defs/a~1b%20c","description":"x"}},"required":["a"],"$defs":{"a/b c":{"type":"integer"}}}"##,
            [#"{"a":1}"#], [#"{"a":"1"}"#]
        ),
        (
            ##"{"anyOf":[{"properties":{"x":{"allOf":[{"type":"object"},{"properties":{"n":{"const":1},"more":{"$ref":"#/anyOf/0/properties/x/allOf/1"}},"required":["n"]}]}},"required":["x"]}]}"##,
            [#"{"x":{"n":1,"more":{"n":1}}}"#], [#"{"x":{"n":1,"more":{"x":{"n":1}}}}"#, #"{"x":{"more":{"n":1}}}"#]
        ),
        (##"{"$ref":"#/$defs/n","maximum":5,"$defs":{"n":{"type":"integer","minimum":3}}}"##, ["3", "5"], ["2", "6"]),
        ("true", ["1", #"{"a":[{}]}"#, "null"], ["", "nul"]), ("{}", ["[]"], []),
        (#"{"type":"object"}"#, ["{}", #"{"a":{"b":[1,"x",null]}}"#], ["1", "[]"]),
        (#"{"properties":{"a":false,"b":{"type":"integer"}}}"#, ["{}", #"{"b":1}"#], [#"{"a":1}"#]),
    ]

    @Test(arguments: rows) func `JSON is allowed as the schema says`(row: Row) throws {
        let constraint = OutputConstraint(.jsonSchema, row.source)
        for text in row.accepted { #expect(try constraint.accepts(text), "\(row.source) should allow \(text)") }
        for text in row.rejected { #expect(try !constraint.accepts(text), "\(row.source) should not allow \(text)") }
    }

    /// Source, place, part of the reason.
    static let refused: [(String, String, String)] = [
        (#"{"not":{}}"#, "#/not", "not"),
        (#"{"properties":{"a":{"uniqueItems":true}}}"#, "#/properties/a/uniqueItems", "uniqueItems"),
        (#"{"type":"object","patternProperties":{"a":{}}}"#, "#/patternProperties", "patternProperties"),
        (#"{"type":"number","multipleOf":0.1}"#, "#/multipleOf", "multipleOf"),
        (#"{"type":"strin"}"#, "#/type", "one or a list of"), (#"{"format":"regex"}"#, "#/format", "date-time"),
        (#"{"type":"string","pattern":"(?=a)"}"#, "#/pattern", "lookaround"),
        (#"{"type":"string","pattern":"a","maxLength":3}"#, "#", "pattern beside"),
        (#"{"items":[{}],"type":"array"}"#, "#/items", "prefixItems"), (#"{"enum":[]}"#, "#/enum", "at least one"),
        (#"{"enum":["a"],"minLength":3}"#, "#/minLength", "beside const or enum"),
        (##"{"$ref":"http://x"}"##, "#/$ref", "within the schema"),
        (##"{"$ref":"#/nowhere"}"##, "#/$ref", "names nothing"),
        (#"{"oneOf":[{"type":"integer"},{"type":"number"}]}"#, "#/oneOf", "0 and 1"),
        (#"{"oneOf":[{"properties":{"a":{}}},{"properties":{"a":{}}}]}"#, "#/oneOf", "0 and 1"),
        (#"{"type":"integer","minimum":5,"maximum":4}"#, "#", "no whole number"),
        (#"{"type":"number","minimum":1e-16}"#, "#/minimum", "too many digits"),
        (#"{"oneOf":[{"const":1},{"const":1.0}]}"#, "#/oneOf", "0 and 1"),
        (#"{"oneOf":[{"enum":[1,[2]]},{"enum":[[2.0],3]}]}"#, "#/oneOf", "0 and 1"),
        (#"{"oneOf":[{"const":{"a":1,"b":2}},{"const":{"b":2,"a":1}}]}"#, "#/oneOf", "0 and 1"),
        (
            #"{"oneOf":[{"type":"object","properties":{"a":{}},"required":["a"],"anyOf":[{"properties":{"b":{}},"required":["b"]}]},{"type":"object","properties":{"b":{}},"required":["b"]}]}"#,
            "#/oneOf", "0 and 1"
        ),
        (
            #"{"allOf":[{"items":{"type":"string"}},{"prefixItems":[{"const":1}],"minItems":1}]}"#, "#/allOf/1/items",
            "prefixItems of another"
        ),
        (
            #"{"allOf":[{"prefixItems":[{"const":1}],"items":false,"minItems":1},{"items":false}]}"#,
            "#/allOf/1/items", "prefixItems of another"
        ),
        (#"{"type":"object","unevaluatedProperties":false}"#, "#/unevaluatedProperties", "not supported"),
        (
            #"{"properties":{},"additionalProperties":true,"unevaluatedProperties":false}"#, "#/unevaluatedProperties",
            "not supported"
        ),
        (#"{"properties":{},"unevaluatedProperties":{"type":"null"}}"#, "#/unevaluatedProperties", "not supported"),
        (#"{"type":"array","unevaluatedItems":false}"#, "#/unevaluatedItems", "not supported"),
        (#"{"type":"string","minLength":5,"maxLength":4}"#, "#/maxLength", "less than minLength"),
        (
            #"{"type":"object","properties":{},"required":["a"],"additionalProperties":false}"#, "#/required",
            "a is required"
        ),
        (##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##, "", "no text satisfies"),
        (##"{"$ref":"#"}"##, "", "no text satisfies"), (##"{"allOf":[{"$ref":"#"}]}"##, "#", "circle"),
        ("false", "", "no text"), ("7", "#", "object or a boolean"), ("{", "", "not valid JSON"),
        (#"{"allOf":[{"type":"string"},{"type":"integer"}]}"#, "#/allOf/1/type", "no type"),
        (#"{"allOf":[{"pattern":"a"},{"pattern":"b"}]}"#, "#/allOf/1/pattern", "cannot be combined"),
    ]

    @Test(arguments: refused) func `what cannot be honoured is named with its place`(
        source: String, path: String, reason: String
    ) throws {
        let error = #expect(throws: GrammarError.self) { try CompiledGrammar(OutputConstraint(.jsonSchema, source)) }
        #expect(error?.path == path, "\(source): \(String(describing: error))")
        #expect(error?.reason.contains(reason) == true, "\(source): \(String(describing: error))")
    }

    @Test func `annotations and words of the future are passed over`() throws {
        let source =
            ##"{"$schema":"x","title":"T","description":"d","default":3,"examples":[1],"x-own":{},"type":"integer","deprecated":true}"##
        #expect(try OutputConstraint(.jsonSchema, source).accepts("17"))
    }
}
