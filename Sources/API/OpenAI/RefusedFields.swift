import JSON

/// Fields whose meaning Apus would not honour. A value that asks for nothing (off, empty, the default) passes; any other
/// is refused by name, because an answer that silently ignores it would be believed. Hints that promise nothing about
/// the answer (`store`, `verbosity`, `reasoning_effort`, `metadata`, `user`) are not in the table: they are ignored.
struct RefusedFields {
    /// Values that change nothing.
    enum Harmless {
        case nothing
        case isFalse
        case isTrue
        case empty
        case number(Double)
        case word([String])
        case textOnly

        func allows(_ value: JSONValue) -> Bool {
            switch (self, value) {
            case (.isFalse, .bool(false)), (.isTrue, .bool(true)): true
            case (.empty, .array(let array)): array.isEmpty
            case (.empty, .object(let object)): object.members.isEmpty
            case (.empty, .string(let string)): string.isEmpty
            case (.number(let neutral), .integer(let number)): Double(number) == neutral
            case (.number(let neutral), .double(let number)): number == neutral
            case (.word(let words), .string(let word)): words.contains(word)
            case (.textOnly, .array(let array)): array == [.string("text")]
            default: false
            }
        }
    }

    var name: String
    var harmless: Harmless
    var reason: String

    init(_ name: String, _ harmless: Harmless, _ reason: String) {
        self.name = name
        self.harmless = harmless
        self.reason = reason
    }

    /// - Throws: for the first row of `table` that is broken. Goes through what was sent, which is less than the table.
    static func check(_ fields: FieldReader, against table: Table) throws(APIError) {
        var first: Int?
        let members = fields.object.members
        for number in members.indices {
            guard let place = table.place(of: members[number].name), !members[number].value.isNull,
                !table.rows[place].harmless.allows(members[number].value)
            else { continue }
            first = min(first ?? place, place)
        }
        guard let first else { return }
        let row = table.rows[first]
        throw .unsupported(fields.parameter(row.name), row.reason)
    }

    struct Table {
        let rows: [RefusedFields]
        /// Indices of the rows by the bits of their names: see ``FieldReader``.
        private let places: [[Int]]

        /// - Parameter rows: each with a name of its own.
        init(_ rows: [RefusedFields]) {
            self.rows = rows
            places = (0..<64).map { bit in
                rows.indices.filter { FieldReader.bit(of: rows[$0].name) == 1 << UInt64(bit) }
            }
        }

        func place(of name: String) -> Int? {
            for place in places[FieldReader.bit(of: name).trailingZeroBitCount] where rows[place].name == name {
                return place
            }
            return nil
        }
    }

    /// For chats and completions alike.
    static let common: [RefusedFields] = [
        .init("guided_decoding_backend", .word(["auto"]), "there is one way to constrain output here"),
        .init("guided_whitespace_pattern", .nothing, "white space in JSON is the server's choice"),
        .init("allowed_token_ids", .empty, "use logit_bias"), .init("bad_words", .empty, "use logit_bias"),
        .init("logits_processors", .empty, noSampler), .init("use_beam_search", .isFalse, noSampler),
        .init("length_penalty", .number(1), noSampler), .init("early_stopping", .isFalse, noSampler),
        .init("typical_p", .number(1), noSampler), .init("mirostat", .number(0), noSampler),
        .init("dynatemp_range", .number(0), noSampler), .init("dry_multiplier", .number(0), noSampler),
        .init("xtc_probability", .number(0), noSampler), .init("top_n_sigma", .number(-1), noSampler),
        .init("truncate_prompt_tokens", .nothing, "a prompt that is too long is refused, never cut"),
        .init("return_tokens_as_token_ids", .isFalse, "tokens are shown as text"),
        .init("kv_transfer_params", .nothing, "the server moves its caches itself"),
        .init("vllm_xargs", .empty, "extra engine arguments are not taken from requests"),
        .init("prompt_embeds", .nothing, "prompts are text or token ids"),
        .init("lora", .empty, "adapters are not loaded by requests"),
    ]

    /// For all dialects whose messages go through a template.
    static let templated: [RefusedFields] =
        common + [
            .init("chat_template", .nothing, "the template is the model's own"),
            .init("documents", .empty, "put documents into the messages"),
        ]

    /// For dialects in which every answer is a turn of its own.
    static let wholeTurns: [RefusedFields] =
        templated + [
            .init("add_generation_prompt", .isTrue, "use /v1/chat/completions"),
            .init("continue_final_message", .isFalse, "use /v1/chat/completions"),
        ]

    static let chat = Table(
        templated + [
            .init("functions", .empty, "use tools"), .init("function_call", .word(["none"]), "use tool_choice"),
            .init("audio", .nothing, "output is text"), .init("modalities", .textOnly, "output is text"),
            .init("web_search_options", .nothing, "the model has no web access"),
            .init("echo", .isFalse, "a chat's prompt is not repeated"),
            .init("best_of", .number(1), "use n"),
        ])

    static let completion = Table(common)

    /// For texts that are read as wholes.
    private static let reading: [RefusedFields] = [
        .init("truncate_prompt_tokens", .nothing, "a text that is too long is refused, never cut"),
        .init("truncate", .isFalse, "a text that is too long is refused, never cut"),
        .init("max_tokens_per_doc", .nothing, "a text that is too long is refused, never cut"),
        .init("max_chunks_per_doc", .nothing, "a text that is too long is refused, never cut"),
        .init("lora", .empty, "adapters are not loaded by requests"),
    ]

    static let embedding = Table(
        reading + [
            .init("input_type", .nothing, "the model reads all texts alike"),
            .init("task", .nothing, "the model reads all texts alike"),
            .init("messages", .empty, "give texts as input"),
            .init("normalize", .isTrue, "vectors have length 1"),
            .init("embed_dtype", .word(["float32"]), "numbers are 32-bit floats"),
            .init("endianness", .word(["native", "little"]), "bytes are in little-endian order"),
        ])

    static let rerank = Table(
        reading + [
            .init("rank_fields", .empty, "documents are strings or objects with text")
        ])

    static let score = Table(
        reading + [
            .init("activation", .nothing, "scores are as the model's training has them"),
            .init("use_activation", .isTrue, "scores are as the model's training has them"),
        ])

    private static let noSampler = "there is no such way of sampling here"
}
