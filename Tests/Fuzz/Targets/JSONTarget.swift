import Grammar
import Inference
import JSON

/// A JSON text from anywhere. What is read and written again must be the same value.
enum JSONTarget {
    static func run(_ bytes: [UInt8]) -> String? {
        guard let value = try? JSONParser.parse(bytes) else { return nil }
        let text = OutputConstraint.jsonSchema(value).source
        guard let again = try? JSONParser.parse(Array(text.utf8)) else { return "\(text) cannot be read" }
        return again == value ? nil : "\(value) is read again as \(again)"
    }
}
