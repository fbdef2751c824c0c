import JSON

/// The Open Inference Protocol.
extension SchemaTable {
    static let openInference: [Schema.Property] = [
        ("Live", Schema.object(required: ["live"], [("live", Schema.boolean)])),
        ("Ready", Schema.object(required: ["ready"], [("ready", Schema.boolean)])),
        (
            "ModelReady",
            Schema.object(required: ["name", "ready"], [("name", Schema.string), ("ready", Schema.boolean)])
        ),
        (
            "ServerMetadata",
            Schema.object(
                required: ["name", "version", "extensions"],
                [("name", Schema.string), ("version", Schema.string), ("extensions", Schema.list(Schema.string))])
        ),
        ("ModelNames", Schema.object(required: ["models"], [("models", Schema.list(Schema.string))])),
        (
            "ModelMetadata",
            Schema.object(
                required: ["name", "versions", "platform", "inputs", "outputs"],
                [
                    ("name", Schema.string), ("versions", Schema.list(Schema.string)), ("platform", Schema.string),
                    ("inputs", Schema.list(Schema.named("TensorMetadata"))),
                    ("outputs", Schema.list(Schema.named("TensorMetadata"))),
                ])
        ),
        (
            "TensorMetadata",
            Schema.object(
                required: ["name", "datatype", "shape"],
                [("name", Schema.string), ("datatype", Schema.string), ("shape", Schema.list(Schema.integer()))])
        ),
        (
            "ModelConfiguration",
            Schema.object(
                required: ["name", "platform", "backend", "input", "output"],
                [
                    ("name", Schema.string), ("platform", Schema.string), ("backend", Schema.string),
                    ("input", Schema.list(Schema.object)), ("output", Schema.list(Schema.object)),
                ])
        ),
        (
            "Statistics",
            Schema.object(required: ["model_stats"], [("model_stats", Schema.list(Schema.object))])
        ),
        ("TraceSettings", Schema.object([("trace_level", Schema.list(Schema.words("OFF")))])),
        ("LoadRequest", Schema.object([("parameters", Schema.object)])),
        ("IndexRequest", Schema.object([("ready", Schema.boolean)])),
        (
            "Index",
            Schema.list(
                Schema.object(
                    required: ["name", "version", "state", "reason"],
                    [
                        ("name", Schema.string), ("version", Schema.string),
                        ("state", Schema.words("READY", "UNAVAILABLE")), ("reason", Schema.string),
                    ]))
        ),
        (
            "Tensor",
            Schema.object(
                required: ["name", "shape", "datatype"],
                [
                    ("name", Schema.string), ("shape", Schema.list(Schema.count32)),
                    (
                        "datatype",
                        Schema.words(
                            "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
                            "FP32", "FP64", "BYTES", "BF16")
                    ),
                    ("data", Schema.list(Schema.anything)), ("parameters", Schema.object),
                ])
        ),
        (
            "InferRequest",
            Schema.object(
                required: ["inputs"],
                [
                    ("id", Schema.string), ("inputs", Schema.list(Schema.named("Tensor"))),
                    ("outputs", Schema.list(Schema.object(required: ["name"], [("name", Schema.string)]))),
                    ("parameters", Schema.object(stopAndLimit + sampling)),
                ])
        ),
        (
            "InferResponse",
            Schema.object(
                required: ["model_name", "model_version", "outputs"],
                [
                    ("model_name", Schema.string), ("model_version", Schema.string), ("id", Schema.string),
                    ("outputs", Schema.list(Schema.named("Tensor"))),
                ])
        ),
        (
            "GenerateRequest",
            Schema.object(
                required: ["text_input"],
                [
                    ("text_input", Schema.string), ("id", Schema.string),
                    ("parameters", Schema.object(stopAndLimit + sampling)),
                ])
        ),
        (
            "Generated",
            Schema.object(
                required: ["model_name", "model_version"],
                [
                    ("model_name", Schema.string), ("model_version", Schema.string),
                    ("text_output", Schema.either(Schema.string, Schema.list(Schema.string))),
                ])
        ),
    ]

    private static let stopAndLimit: [Schema.Property] = [("max_tokens", limit), ("stop", stop)]
}
