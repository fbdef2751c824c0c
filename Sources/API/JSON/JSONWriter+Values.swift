import JSON
import NIOCore

/// Whole values, as they were read.
extension ByteBuffer {
    mutating func writeJSON(_ value: JSONValue) {
        switch value {
        case .null: writeStaticString("null")
        case .bool(let bool): writeJSON(bool)
        case .integer(let number): writeJSON(number)
        case .unsigned(let number): writeString(String(number))
        case .double(let number): writeString(number.jsonText)
        case .string(let string): writeJSON(string)
        case .array(let values): writeJSONList(values) { $0.writeJSON($1) }
        case .object(let object):
            writeStaticString("{")
            for (index, member) in object.members.enumerated() {
                if index > 0 { writeStaticString(",") }
                writeJSON(member.name)
                writeStaticString(":")
                writeJSON(member.value)
            }
            writeStaticString("}")
        }
    }
}

extension JSONValue {
    /// An object of these members, in this order.
    static func of(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(JSONObject(members: members.map { JSONObject.Member(name: $0.key, value: $0.value) }))
    }
}
