import Inference
import JSON
import NIOCore
import Serving

/// `POST /v1/rerank`, in the shape of Jina and Cohere: documents in the order in which they answer a query.
enum Rerank {
    private struct Prepared: PreparedRequest {
        var reading: PreparedReading
        var pairs: TextPairs
        var output: PooledOutput
        var count: Int
        var returnsDocuments: Bool

        var serviceRequest: GenerationRequest? { reading.request }
    }

    static func answer(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            try prepare(body, preparation)
        } then: { prepared in
            ReadingSession.start(call, prepared.reading, promptField: "documents") { results, usage, name, body in
                write(prepared.pairs.scores(results, prepared.output), usage, name, prepared, into: &body)
            }
        }
    }

    private static func prepare(_ body: [UInt8], _ preparation: Preparation) throws(APIError) -> Prepared {
        let fields = try FieldReader.body(body)
        let (model, output) = try preparation.reader(fields, promptField: "documents")
        try RefusedFields.check(fields, against: RefusedFields.rerank)
        guard let query = try fields.string("query") else { throw fields.missing("query") }
        guard let elements = try fields.array("documents", countMax: preparation.options.textCountMax) else {
            throw fields.missing("documents")
        }
        guard !elements.isEmpty else { throw .invalid("documents", code: "empty_array", "documents is empty.") }
        let documents = try elements.enumerated().map { element throws(APIError) in
            try text(element.element, at: "documents[\(element.offset)]")
        }
        let count = try fields.integer("top_n", in: 1...Int(Int32.max)) ?? documents.count
        let pairs = TextPairs(
            firsts: [query], seconds: documents, firstName: { _ in "query" }, secondName: { "documents[\($0)]" })
        return Prepared(
            reading: try pairs.prepared(fields, model: model, output), pairs: pairs, output: output,
            count: min(count, documents.count), returnsDocuments: try fields.bool("return_documents") ?? true)
    }

    /// A string, or an object with one in `text`.
    private static func text(_ value: JSONValue, at path: String) throws(APIError) -> String {
        switch value {
        case .string(let text): return text
        case .object(let object):
            let fields = FieldReader(object, path: path)
            guard let text = try fields.string("text") else { throw fields.missing("text") }
            return text
        case .null, .bool, .integer, .unsigned, .double, .array:
            throw FieldReader.wrongKind(path, wanted: "a string or an object with text", value)
        }
    }

    private static func write(
        _ scores: [Float], _ usage: Usage, _ name: String, _ prepared: Prepared, into body: inout ByteBuffer
    ) {
        let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
        body.writeStaticString("{\"id\":\"rerank-")
        body.writeString(name)
        body.writeStaticString("\",\"model\":")
        body.writeJSON(prepared.reading.model.name)
        body.writeStaticString(",\"results\":")
        body.writeJSONList(order.prefix(prepared.count)) { body, index in
            body.writeStaticString("{\"index\":")
            body.writeJSON(index)
            if prepared.returnsDocuments {
                body.writeStaticString(",\"document\":{\"text\":")
                body.writeJSON(prepared.pairs.seconds[index])
                body.writeStaticString("}")
            }
            body.writeStaticString(",\"relevance_score\":")
            body.writeJSON(scores[index])
            body.writeStaticString("}")
        }
        body.writeStaticString(",\"usage\":")
        body.writeReadingUsage(usage)
        body.writeStaticString("}")
    }
}
