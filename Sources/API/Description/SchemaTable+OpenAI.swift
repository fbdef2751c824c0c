import JSON

/// Chats, completions and responses.
extension SchemaTable {
    static let openAI: [Schema.Property] = [
        ("ChatCompletionRequest", chatRequest), ("ChatMessage", chatMessage), ("TextPart", textPart),
        ("CompletionRequest", completionRequest), ("ChatCompletion", answer("chat.completion")),
        ("Completion", answer("text_completion")), ("Model", modelObject),
        (
            "ModelList",
            Schema.either(
                Schema.object(
                    required: ["object", "data"],
                    [("object", Schema.words("list")), ("data", Schema.list(Schema.named("Model")))]),
                // For clients that send `anthropic-version`.
                Schema.object(
                    required: ["data", "has_more", "first_id", "last_id"],
                    [
                        ("data", Schema.list(Schema.named("Model"))), ("has_more", Schema.boolean),
                        ("first_id", Schema.optional(Schema.string)), ("last_id", Schema.optional(Schema.string)),
                    ]))
        ),
        (
            "TokenizeRequest",
            Schema.object([
                ("model", model), ("prompt", Schema.string),
                ("messages", Schema.list(Schema.named("ChatMessage"))), ("add_special_tokens", Schema.boolean),
                ("add_generation_prompt", Schema.boolean), ("continue_final_message", Schema.boolean),
                ("chat_template_kwargs", Schema.object), ("return_token_strs", Schema.boolean),
            ])
        ),
        (
            "Tokens",
            Schema.object(
                required: ["count", "max_model_len", "tokens", "token_strs"],
                [
                    ("count", Schema.count), ("max_model_len", Schema.count), ("tokens", Schema.list(Schema.count)),
                    ("token_strs", Schema.optional(Schema.list(Schema.string))),
                ])
        ),
        (
            "DetokenizeRequest",
            Schema.object(
                required: ["tokens"], [("model", model), ("tokens", Schema.list(Schema.count32))])
        ),
        ("Detokenized", Schema.object(required: ["prompt"], [("prompt", Schema.string)])),
    ]

    static let responses: [Schema.Property] = [
        (
            "ResponseRequest",
            Schema.object(
                required: ["input"],
                [
                    ("model", model), ("instructions", Schema.optional(Schema.string)),
                    ("input", Schema.either(Schema.string, Schema.list(responseItem, 1...4_096))),
                    ("max_output_tokens", Schema.optional(limit)), ("stream", Schema.boolean),
                    ("tools", Schema.list(Schema.object, 0...128)),
                    ("tool_choice", Schema.either(Schema.words("none", "auto", "required"), Schema.object)),
                    ("parallel_tool_calls", Schema.boolean), ("metadata", Schema.object),
                    ("text", Schema.object([("format", format)])), ("store", Schema.boolean), ("stop", stop),
                    ("chat_template_kwargs", Schema.object),
                ] + sampling)
        ),
        (
            "Response",
            Schema.object(
                required: ["id", "object", "created_at", "status", "model", "output", "usage", "error"],
                [
                    ("id", Schema.string), ("object", Schema.words("response")), ("created_at", Schema.count),
                    ("status", Schema.words("completed", "incomplete", "failed", "in_progress")),
                    ("model", Schema.string), ("output", Schema.list(Schema.object)),
                    ("usage", Schema.optional(Schema.object)), ("error", Schema.optional(Schema.object)),
                ])
        ),
    ]

    /// Beside these, `json_schema` with a schema.
    private static let format = Schema.object(
        required: ["type"], [("type", Schema.words("text", "json_object", "json_schema"))])

    private static let responseItem = Schema.object([
        ("type", Schema.words("message", "function_call", "function_call_output")),
        ("role", Schema.words("system", "developer", "user", "assistant")),
        ("content", content),
        ("call_id", Schema.string), ("name", Schema.string), ("arguments", Schema.string), ("output", Schema.string),
    ])

    private static let chatMessage = Schema.object(
        required: ["role"],
        [
            ("role", Schema.words("system", "developer", "user", "assistant", "tool")),
            ("content", Schema.optional(content)),
            ("name", Schema.string), ("tool_call_id", Schema.string),
            ("tool_calls", Schema.list(Schema.object, 0...128)),
        ])

    private static let chatRequest = Schema.object(
        required: ["messages"],
        [
            ("model", model), ("messages", Schema.list(Schema.named("ChatMessage"), 1...4_096)),
            ("max_completion_tokens", limit), ("max_tokens", limit), ("stream", Schema.boolean),
            ("stream_options", Schema.object([("include_usage", Schema.boolean)])), ("n", Schema.integer(1...8)),
            ("stop", stop), ("logprobs", Schema.boolean), ("top_logprobs", Schema.integer(0...20)),
            ("tools", Schema.list(Schema.object, 0...128)),
            ("tool_choice", Schema.either(Schema.words("none", "auto", "required"), Schema.object)),
            ("parallel_tool_calls", Schema.boolean), ("response_format", format), ("user", Schema.string),
            ("metadata", Schema.object), ("store", Schema.boolean), ("add_generation_prompt", Schema.boolean),
            ("continue_final_message", Schema.boolean), ("chat_template_kwargs", Schema.object),
        ] + sampling)

    private static let completionRequest = Schema.object(
        required: ["prompt"],
        [
            ("model", model),
            (
                "prompt",
                Schema.either(
                    Schema.string, Schema.list(Schema.string, 1...128), Schema.list(Schema.count32, 1...4_096),
                    Schema.list(Schema.list(Schema.count32, 1...4_096), 1...128))
            ),
            ("max_tokens", limit), ("stream", Schema.boolean),
            ("stream_options", Schema.object([("include_usage", Schema.boolean)])), ("n", Schema.integer(1...8)),
            ("stop", stop), ("logprobs", Schema.integer(0...20)), ("echo", Schema.boolean),
            ("suffix", Schema.optional(Schema.string)), ("user", Schema.string),
        ] + sampling)

    private static func answer(_ object: String) -> JSONValue {
        Schema.object(
            required: ["id", "object", "created", "model", "choices", "usage"],
            [
                ("id", Schema.string), ("object", Schema.words(object)), ("created", Schema.count),
                ("model", Schema.string), ("system_fingerprint", Schema.optional(Schema.string)),
                (
                    "choices",
                    Schema.list(
                        Schema.object(
                            required: ["index", "finish_reason"],
                            [
                                ("index", Schema.count), ("text", Schema.string), ("message", Schema.object),
                                ("finish_reason", Schema.words("stop", "length", "tool_calls")),
                                ("logprobs", Schema.optional(Schema.object)),
                            ]))
                ),
                (
                    "usage",
                    Schema.object(
                        required: ["prompt_tokens", "completion_tokens", "total_tokens"],
                        [
                            ("prompt_tokens", Schema.count), ("completion_tokens", Schema.count),
                            ("total_tokens", Schema.count),
                        ])
                ),
            ])
    }

    private static let modelObject = Schema.either(
        Schema.object(
            required: ["id", "object", "created", "owned_by"],
            [
                ("id", Schema.string), ("object", Schema.words("model")), ("created", Schema.count),
                ("owned_by", Schema.string), ("max_model_len", Schema.count),
            ]),
        Schema.object(
            required: ["id", "type", "display_name", "created_at"],
            [
                ("id", Schema.string), ("type", Schema.words("model")), ("display_name", Schema.string),
                ("created_at", Schema.string), ("max_input_tokens", Schema.count), ("max_tokens", Schema.count),
            ]))
}
