import JSON

/// Embeddings, rankings and scores.
extension SchemaTable {
    static let reading: [Schema.Property] = [
        (
            "EmbeddingRequest",
            Schema.object(
                required: ["input"],
                [
                    ("model", model),
                    (
                        "input",
                        Schema.either(
                            Schema.string, Schema.list(Schema.string, 1...2_048),
                            Schema.list(Schema.count32, 1...4_096),
                            Schema.list(Schema.list(Schema.count32, 1...4_096), 1...2_048))
                    ),
                    ("encoding_format", Schema.words("float", "base64")), ("user", Schema.string),
                ])
        ),
        (
            "Embeddings",
            list(
                of: Schema.object(
                    required: ["object", "index", "embedding"],
                    [
                        ("object", Schema.words("embedding")), ("index", Schema.count),
                        ("embedding", Schema.either(Schema.list(Schema.anyNumber), Schema.string)),
                    ]))
        ),
        (
            "RerankRequest",
            Schema.object(
                required: ["query", "documents"],
                [
                    ("model", model), ("query", Schema.string),
                    (
                        "documents",
                        Schema.list(
                            Schema.either(
                                Schema.string, Schema.object(required: ["text"], [("text", Schema.string)])), 1...2_048)
                    ),
                    ("top_n", limit), ("return_documents", Schema.boolean),
                ])
        ),
        (
            "Ranking",
            Schema.object(
                required: ["id", "model", "results", "usage"],
                [
                    ("id", Schema.string), ("model", Schema.string),
                    (
                        "results",
                        Schema.list(
                            Schema.object(
                                required: ["index", "relevance_score"],
                                [
                                    ("index", Schema.count), ("document", Schema.object),
                                    ("relevance_score", Schema.anyNumber),
                                ]))
                    ), ("usage", Schema.object),
                ])
        ),
        (
            "ScoreRequest",
            Schema.object(
                required: ["text_1", "text_2"], [("model", model), ("text_1", texts), ("text_2", texts)])
        ),
        (
            "Scores",
            list(
                of: Schema.object(
                    required: ["object", "index", "score"],
                    [("object", Schema.words("score")), ("index", Schema.count), ("score", Schema.anyNumber)]))
        ),
    ]

    private static let texts = Schema.either(Schema.string, Schema.list(Schema.string, 1...2_048))

    private static func list(of element: JSONValue) -> JSONValue {
        Schema.object(
            required: ["object", "data", "model", "usage"],
            [
                ("object", Schema.words("list")), ("data", Schema.list(element)), ("model", Schema.string),
                ("usage", Schema.object),
            ])
    }
}
