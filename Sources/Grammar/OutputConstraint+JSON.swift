package import Inference
package import JSON

extension OutputConstraint {
    /// JSON for which the schema holds.
    package static func jsonSchema(_ schema: JSONValue) -> OutputConstraint {
        OutputConstraint(.jsonSchema, JSONText.text(schema))
    }

    /// Any JSON object.
    package static let jsonObject = OutputConstraint(.jsonSchema, #"{"type":"object"}"#)

    /// One of a list of strings.
    package static func choice(_ choices: JSONValue) -> OutputConstraint {
        OutputConstraint(.choice, JSONText.text(choices))
    }
}
