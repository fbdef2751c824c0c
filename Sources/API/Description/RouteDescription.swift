/// What the API's description says of one route. What holds for many, such as the shape of errors, follows from its path.
struct RouteDescription: Sendable {
    /// What a body is, by content type.
    struct Content: Sendable {
        var type = "application/json"
        /// Names among ``SchemaTable``, one of which it is; none for streams, text and bytes.
        var schemas: [String] = []

        static func json(_ schemas: String...) -> Content { Content(schemas: schemas) }
        static let events = Content(type: "text/event-stream")
        static let lines = Content(type: "application/x-ndjson")
        static let bytes = Content(type: "application/octet-stream")
        static let text = Content(type: "text/plain")
    }

    var method: String
    var pattern: String
    var summary: String
    /// nil where there is no body.
    var body: [Content]?
    var isBodyRequired = true
    /// Empty for a route that only refuses.
    var success: [Content]
    /// Statuses of refusals.
    var failures: [Int]
    /// Of a 503 that is an answer rather than an error.
    var unavailable: Content?

    static func get(_ pattern: String, _ summary: String, _ success: Content..., failures: [Int] = []) -> Self {
        Self(method: "GET", pattern: pattern, summary: summary, success: success, failures: [400] + failures)
    }

    /// A probe, which says no with 503.
    static func probe(_ pattern: String, _ summary: String, _ answer: Content, failures: [Int] = []) -> Self {
        Self(
            method: "GET", pattern: pattern, summary: summary, success: [answer], failures: [400] + failures,
            unavailable: answer)
    }

    /// - Parameter failures: beside those that every body can bring.
    static func post(
        _ pattern: String, _ summary: String, takes body: Content..., gives success: [Content],
        failures: [Int] = [404, 429, 500, 503]
    ) -> Self {
        Self(
            method: "POST", pattern: pattern, summary: summary, body: body, success: success,
            failures: [400, 408, 413, 415] + failures)
    }

    /// A route that only says why it does nothing.
    static func refused(_ method: String, _ pattern: String, _ summary: String, status: Int) -> Self {
        Self(method: method, pattern: pattern, summary: summary, success: [], failures: [400, status])
    }
}

/// Every route of the public port. A test compares it with the tables of routes.
enum DescriptionTable {
    static let all = openAI + reading + responses + messages + ollama + openInference + admin

    static let openAI: [RouteDescription] = [
        .post(
            "/v1/chat/completions", "Answers a chat.", takes: .json("ChatCompletionRequest"),
            gives: [.json("ChatCompletion"), .events], failures: [404, 409, 410, 429, 500, 503]),
        .post(
            "/v1/completions", "Continues prompts.", takes: .json("CompletionRequest"),
            gives: [.json("Completion"), .events], failures: [404, 409, 410, 429, 500, 503]),
        .get("/v1/models", "Lists the models.", .json("ModelList")),
        .get("/v1/models/{id}", "Shows a model.", .json("Model"), failures: [404]),
        .post(
            "/tokenize", "Makes tokens of a text or a chat.", takes: .json("TokenizeRequest"), gives: [.json("Tokens")]),
        .post("/detokenize", "Makes text of tokens.", takes: .json("DetokenizeRequest"), gives: [.json("Detokenized")]),
    ]

    /// Of models that read whole texts.
    static let reading: [RouteDescription] =
        [
            .post(
                "/v1/embeddings", "Makes vectors of texts.", takes: .json("EmbeddingRequest"),
                gives: [.json("Embeddings")])
        ]
        + ["/v1/rerank", "/rerank"].map {
            .post($0, "Orders documents by a query.", takes: .json("RerankRequest"), gives: [.json("Ranking")])
        }
        + ["/v1/score", "/score"].map {
            .post($0, "Scores pairs of texts.", takes: .json("ScoreRequest"), gives: [.json("Scores")])
        }

    static let responses: [RouteDescription] = [
        .post(
            "/v1/responses", "Answers an input.", takes: .json("ResponseRequest"), gives: [.json("Response"), .events]),
        .refused("POST", "/v1/responses/{id}/cancel", notStored, status: 404),
        .refused("GET", "/v1/responses/{id}/input_items", notStored, status: 404),
        .refused("GET", "/v1/responses/{id}", notStored, status: 404),
        .refused("DELETE", "/v1/responses/{id}", notStored, status: 404),
    ]

    static let messages: [RouteDescription] = [
        .post(
            "/v1/messages", "Answers a conversation.", takes: .json("MessageRequest"),
            gives: [.json("Message"), .events]),
        .post(
            "/v1/messages/count_tokens", "Counts a conversation's tokens.", takes: .json("TokenCountRequest"),
            gives: [.json("TokenCount")]),
    ]

    static let ollama: [RouteDescription] =
        [
            .post(
                "/api/chat", "Answers a chat.", takes: .json("OllamaChatRequest"),
                gives: [.json("OllamaChat"), .lines]),
            .post(
                "/api/generate", "Answers a prompt.", takes: .json("OllamaGenerateRequest"),
                gives: [.json("OllamaGenerated"), .lines]),
            .post(
                "/api/embed", "Makes vectors of texts.", takes: .json("OllamaEmbedRequest"),
                gives: [.json("OllamaEmbeddings")]),
            .post(
                "/api/embeddings", "Makes a vector of a text.", takes: .json("OllamaEmbeddingRequest"),
                gives: [.json("OllamaEmbedding")]),
            .get("/api/tags", "Lists the models.", .json("OllamaModels")),
            .get("/api/ps", "Lists the models that are ready.", .json("OllamaModels")),
            .post("/api/show", "Shows a model.", takes: .json("OllamaShowRequest"), gives: [.json("OllamaModel")]),
            .get("/api/version", "Tells the server's version.", .json("Version")),
            .refused("DELETE", "/api/delete", "Models are loaded by workers.", status: 501),
        ]
        + ["pull", "create", "copy", "push"].map {
            .refused("POST", "/api/\($0)", "Models are loaded by workers.", status: 501)
        }

    static let openInference: [RouteDescription] = [
        .get("/v2/health/live", "Whether the server lives.", .json("Live")),
        .probe("/v2/health/ready", "Whether some model can take work.", .json("Ready")),
        .get("/v2", "Tells what the server is.", .json("ServerMetadata")),
        .get("/v2/models", "Lists the models.", .json("ModelNames")),
        .get("/v2/models/stats", "Counts and times of all models.", .json("Statistics")),
        .post(
            "/v2/models/{id}/infer", "Answers tensors.", takes: .json("InferRequest"), .bytes,
            gives: [.json("InferResponse"), .bytes]),
        .post(
            "/v2/models/{id}/generate", "Answers a prompt.", takes: .json("GenerateRequest"),
            gives: [.json("Generated")]),
        .post(
            "/v2/models/{id}/generate_stream", "Answers a prompt piece by piece.", takes: .json("GenerateRequest"),
            gives: [.events]),
        .probe("/v2/models/{id}/ready", "Whether a model can take work.", .json("ModelReady"), failures: [404]),
        .get("/v2/models/{id}/config", "A model's configuration.", .json("ModelConfiguration"), failures: [404, 503]),
        .get("/v2/models/{id}/stats", "Counts and times of a model.", .json("Statistics"), failures: [404, 503]),
        .get("/v2/models/{id}/trace/setting", traces, .json("TraceSettings"), failures: [404, 503]),
        .post(
            "/v2/models/{id}/trace/setting", traces, takes: .json("TraceSettings"), gives: [.json("TraceSettings")],
            failures: [404, 429, 501, 503]),
        .get("/v2/models/{id}", "A model's tensors.", .json("ModelMetadata"), failures: [404, 503]),
        RouteDescription(
            method: "POST", pattern: "/v2/repository/index", summary: "Lists the models and their states.",
            body: [.json("IndexRequest")], isBodyRequired: false, success: [.json("Index")],
            failures: [400, 408, 413, 415, 429]),
        RouteDescription(
            method: "POST", pattern: "/v2/repository/models/{id}/load", summary: "Loads a model of the server's list.",
            body: [.json("LoadRequest")], isBodyRequired: false, success: [.json()],
            failures: [400, 404, 408, 413, 415, 429, 500, 501, 503]),
        RouteDescription(
            method: "POST", pattern: "/v2/repository/models/{id}/unload", summary: "Unloads a model.",
            body: [.json("LoadRequest")], isBodyRequired: false, success: [.json()],
            failures: [400, 404, 408, 413, 415, 429, 500, 501, 503]),
        .get("/v2/trace/setting", traces, .json("TraceSettings")),
        .post(
            "/v2/trace/setting", traces, takes: .json("TraceSettings"), gives: [.json("TraceSettings")],
            failures: [429, 501]),
        .refused("GET", "/v2/logging", "Logging is set when the server starts.", status: 501),
        .refused("POST", "/v2/logging", "Logging is set when the server starts.", status: 501),
    ]

    static let admin: [RouteDescription] = [
        .get("/", "Tells who is there.", .json("Hello")),
        .get("/version", "Tells the server's version.", .json("Version")),
        .probe("/health", "Whether some model can take work.", .json("Health")),
        .probe("/readyz", "Whether some model can take work.", .json("Health")),
        .get("/livez", "Whether the server lives.", .json("Health")),
        .get("/metrics", "Metrics, for Prometheus.", .text, Content(type: "application/openmetrics-text")),
        .get("/openapi.json", "This document.", .json("Document")),
    ]

    private typealias Content = RouteDescription.Content
    private static let notStored = "Responses are not stored."
    private static let traces = "Traces, which are off."
}
