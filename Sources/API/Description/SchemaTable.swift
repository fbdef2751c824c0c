import JSON

/// Every schema that descriptions name, and those that these name in turn.
enum SchemaTable {
    static let all = errors + openAI + reading + responses + messages + ollama + openInference + admin

    private static let errors: [Schema.Property] = [
        (
            "Error",
            Schema.object(
                required: ["error"],
                [
                    (
                        "error",
                        Schema.object(
                            required: ["message", "type", "param", "code"],
                            [
                                ("message", Schema.string), ("type", Schema.string),
                                ("param", Schema.optional(Schema.string)), ("code", Schema.optional(Schema.string)),
                            ])
                    )
                ])
        ),
        ("ErrorSentence", Schema.object(required: ["error"], [("error", Schema.string)])),
        (
            "TypedError",
            Schema.object(
                required: ["type", "error"],
                [
                    ("type", Schema.words("error")), ("request_id", Schema.string),
                    (
                        "error",
                        Schema.object(
                            required: ["type", "message"], [("type", Schema.string), ("message", Schema.string)])
                    ),
                ])
        ),
    ]

    private static let admin: [Schema.Property] = [
        (
            "Hello",
            Schema.object(
                required: ["name", "version", "models"],
                [("name", Schema.string), ("version", Schema.string), ("models", Schema.list(Schema.string))])
        ),
        ("Version", Schema.object(required: ["version"], [("version", Schema.string)])),
        ("Health", Schema.object(required: ["status"], [("status", Schema.words("ok", "unavailable"))])),
        ("Document", Schema.object(required: ["openapi", "info", "paths"], [("openapi", Schema.string)])),
    ]

    /// What a request may name as its model.
    static let model = Schema.named("ModelName")

    /// One of those that are served now; any name while none is.
    static func modelName(_ models: [String]) -> Schema.Property {
        let names = JSONValue.array(models.map { .string($0) })
        return ("ModelName", models.isEmpty ? Schema.string : .of(["type": .string("string"), "enum": names]))
    }

    /// A whole number from 1 that fits 32 bits.
    static let limit = Schema.integer(1...Int(Int32.max))

    /// How tokens are chosen, in every dialect; those of vLLM among them.
    static let sampling: [Schema.Property] = [
        ("temperature", Schema.number(0...2)), ("top_p", Schema.number(0...1)),
        ("top_k", Schema.integer(-1...Int(Int32.max))), ("min_p", Schema.number(0...1)),
        ("repetition_penalty", Schema.number(0.01...10)), ("presence_penalty", Schema.number(-2...2)),
        ("frequency_penalty", Schema.number(-2...2)), ("seed", Schema.integer()), ("min_tokens", Schema.count32),
        ("ignore_eos", Schema.boolean), ("stop_token_ids", Schema.list(Schema.count32, 0...64)),
        ("priority", Schema.integer(-1_000...1_000)), ("cache_salt", Schema.text(1...64)),
        ("logit_bias", Schema.object), ("skip_special_tokens", Schema.boolean),
    ]

    /// A string, or a few; of 64 bytes at most, which 16 characters never pass.
    static let stop = Schema.either(Schema.text(1...16), stops)
    static let stops = Schema.list(Schema.text(1...16), 0...8)

    /// What a message says.
    static let content = Schema.either(Schema.string, Schema.list(Schema.named("TextPart")))
    /// A part of a message.
    static let textPart = Schema.object(
        required: ["type", "text"], [("type", Schema.words("text")), ("text", Schema.string)])
}

extension Schema {
    static let count32 = integer(0...Int(Int32.max))
}
