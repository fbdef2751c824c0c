/// OpenAI's dialect, with vLLM's extensions.
enum OpenAIRoutes {
    static let table: [Route] = [
        Route("POST", "/v1/chat/completions", .open) { ChatCompletions.answer($0) },
        Route("POST", "/v1/completions", .open) { Completions.answer($0) },
        Route("POST", "/v1/embeddings", .open) { Embeddings.answer($0) },
        Route("POST", "/v1/rerank", .open) { Rerank.answer($0) },
        Route("POST", "/rerank", .open) { Rerank.answer($0) },
        Route("POST", "/v1/score", .open) { Score.answer($0) },
        Route("POST", "/score", .open) { Score.answer($0) },
        Route("GET", "/v1/models", .open) { Models.list($0) },
        Route("GET", "/v1/models/{id}", .open) { Models.one($0) },
        Route("POST", "/tokenize", .open) { Tokenize.answer($0) },
        Route("POST", "/detokenize", .open) { Detokenize.answer($0) },
    ]
}
