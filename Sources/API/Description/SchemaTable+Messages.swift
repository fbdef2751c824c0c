import JSON

/// Anthropic's messages, and Ollama's lines.
extension SchemaTable {
    static let messages: [Schema.Property] = [
        (
            "MessageRequest",
            Schema.object(
                required: ["max_tokens", "messages"],
                [("max_tokens", limit), ("stream", Schema.boolean)] + conversation + sampling)
        ),
        ("TokenCountRequest", Schema.object(required: ["messages"], conversation)),
        ("TokenCount", Schema.object(required: ["input_tokens"], [("input_tokens", Schema.count)])),
        (
            "Message",
            Schema.object(
                required: ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"],
                [
                    ("id", Schema.string), ("type", Schema.words("message")), ("role", Schema.words("assistant")),
                    ("model", Schema.string), ("content", Schema.list(Schema.object)),
                    ("stop_reason", Schema.words("end_turn", "max_tokens", "stop_sequence", "tool_use")),
                    ("stop_sequence", Schema.optional(Schema.string)),
                    (
                        "usage",
                        Schema.object(
                            required: ["input_tokens", "output_tokens"],
                            [
                                ("input_tokens", Schema.count), ("output_tokens", Schema.count),
                                ("cache_read_input_tokens", Schema.count),
                            ])
                    ),
                ])
        ),
    ]

    private static let conversation: [Schema.Property] = [
        ("model", model), ("system", content),
        (
            "messages",
            Schema.list(
                Schema.object(
                    required: ["role", "content"],
                    [
                        ("role", Schema.words("user", "assistant", "system")),
                        ("content", content),
                    ]), 1...4_096)
        ),
        ("stop_sequences", stops), ("tools", Schema.list(Schema.object, 0...128)),
        ("tool_choice", Schema.object), ("metadata", Schema.object), ("output_config", Schema.object),
        ("chat_template_kwargs", Schema.object),
    ]

    static let ollama: [Schema.Property] = [
        (
            "OllamaChatRequest",
            Schema.object(
                required: ["model"],
                [
                    (
                        "messages",
                        Schema.list(
                            Schema.object(
                                required: ["role"],
                                [
                                    ("role", Schema.words("system", "user", "assistant", "tool")),
                                    ("content", Schema.string), ("tool_name", Schema.string),
                                    ("tool_calls", Schema.list(Schema.object, 0...128)),
                                ]), 0...4_096)
                    ), ("tools", Schema.list(Schema.object, 0...128)),
                ] + ollamaCommon)
        ),
        (
            "OllamaGenerateRequest",
            Schema.object(
                required: ["model"],
                [
                    ("prompt", Schema.string), ("suffix", Schema.string), ("system", Schema.string),
                    ("raw", Schema.boolean),
                ] + ollamaCommon)
        ),
        ("OllamaChat", ollamaAnswer("message", Schema.object)),
        ("OllamaGenerated", ollamaAnswer("response", Schema.string)),
        (
            "OllamaEmbedRequest",
            Schema.object(
                required: ["model", "input"],
                [("model", model), ("input", Schema.either(Schema.string, Schema.list(Schema.string, 1...2_048)))])
        ),
        (
            "OllamaEmbeddings",
            Schema.object(
                required: ["model", "embeddings"],
                [
                    ("model", Schema.string), ("embeddings", Schema.list(Schema.list(Schema.anyNumber))),
                    ("total_duration", Schema.count), ("prompt_eval_count", Schema.count),
                ])
        ),
        (
            "OllamaEmbeddingRequest",
            Schema.object(required: ["model", "prompt"], [("model", model), ("prompt", Schema.string)])
        ),
        (
            "OllamaEmbedding",
            Schema.object(required: ["embedding"], [("embedding", Schema.list(Schema.anyNumber))])
        ),
        ("OllamaShowRequest", Schema.object(required: ["model"], [("model", model)])),
        (
            "OllamaModels",
            Schema.object(
                required: ["models"],
                [
                    (
                        "models",
                        Schema.list(
                            Schema.object(
                                required: ["name", "model", "modified_at", "details"],
                                [
                                    ("name", Schema.string), ("model", Schema.string),
                                    ("modified_at", Schema.string), ("digest", Schema.string),
                                    ("context_length", Schema.count), ("details", Schema.object),
                                ]))
                    )
                ])
        ),
        (
            "OllamaModel",
            Schema.object(
                required: ["modified_at", "details", "model_info", "capabilities"],
                [
                    ("modified_at", Schema.string), ("details", Schema.object), ("model_info", Schema.object),
                    ("capabilities", Schema.list(Schema.string)),
                ])
        ),
    ]

    private static let ollamaCommon: [Schema.Property] = [
        ("model", model), ("stream", Schema.boolean),
        ("format", Schema.either(Schema.words("", "json"), Schema.object)),
        ("keep_alive", Schema.either(Schema.string, Schema.anyNumber)),
        (
            "options",
            Schema.object(
                [
                    ("num_predict", Schema.integer(-2...Int(Int32.max))), ("stop", stop),
                    ("repeat_penalty", Schema.number(0.01...10)),
                    ("repeat_last_n", Schema.integer(-1...Int(Int32.max))), ("num_ctx", Schema.count32),
                ] + sampling)
        ),
    ]

    private static func ollamaAnswer(_ content: String, _ schema: JSONValue) -> JSONValue {
        Schema.object(
            required: ["model", "created_at", content, "done", "done_reason"],
            [
                ("model", Schema.string), ("created_at", Schema.string), (content, schema),
                ("done", Schema.boolean), ("done_reason", Schema.words("stop", "length", "load")),
                ("total_duration", Schema.count), ("prompt_eval_count", Schema.count), ("eval_count", Schema.count),
            ])
    }
}
