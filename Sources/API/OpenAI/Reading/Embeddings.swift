import FoundationEssentials
import Inference
import NIOCore
import Serving

/// `POST /v1/embeddings`
enum Embeddings {
    private struct Prepared: PreparedRequest {
        var reading: PreparedReading
        var isBase64: Bool

        var serviceRequest: GenerationRequest? { reading.request }
    }

    static func answer(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            try prepare(body, preparation)
        } then: { prepared in
            ReadingSession.start(call, prepared.reading, promptField: "input") { vectors, usage, _, body in
                write(vectors, usage, prepared, into: &body)
            }
        }
    }

    private static func prepare(_ body: [UInt8], _ preparation: Preparation) throws(APIError) -> Prepared {
        let fields = try FieldReader.body(body)
        let (model, output) = try preparation.reader(fields, promptField: "input")
        guard case .vector(let size) = output else {
            throw .invalid(
                "model", code: "model_does_not_embed",
                "The model \"\(model.name)\" scores pairs of texts and makes no vectors: ask /v1/score or /v1/rerank.")
        }
        try RefusedFields.check(fields, against: RefusedFields.embedding)
        if let wanted = try fields.integer("dimensions", in: 1...Int(Int32.max)), wanted != size {
            throw .unsupported("dimensions", "the model's vectors have \(size) numbers and mean nothing when cut")
        }
        let format = try fields.string("encoding_format") ?? "float"
        guard ["float", "base64"].contains(format) else {
            throw .invalid(
                "encoding_format", code: "invalid_value",
                "encoding_format must be \"float\" or \"base64\", but \"\(format.prefix(40))\" was given.")
        }
        let input = try CompletionPrompts(
            fields, named: "input", countMax: preparation.options.textCountMax, model: model)
        let texts = input.tokens.map { (tokens: $0, pooling: Pooling()) }
        return Prepared(
            reading: try PreparedReading(fields, texts, model: model) {
                texts.count == 1 ? "input" : "input[\($0)]"
            }, isBase64: format == "base64")
    }

    private static func write(_ vectors: [[Float]], _ usage: Usage, _ prepared: Prepared, into body: inout ByteBuffer) {
        body.reserveCapacity(vectors.reduce(256) { $0 + $1.count * (prepared.isBase64 ? 6 : 13) + 64 })
        body.writeStaticString("{\"object\":\"list\",\"data\":")
        body.writeJSONList(vectors.enumerated()) { body, vector in
            body.writeStaticString("{\"object\":\"embedding\",\"index\":")
            body.writeJSON(vector.offset)
            body.writeStaticString(",\"embedding\":")
            if prepared.isBase64 {
                body.writeStaticString("\"")
                body.writeBytes(Data(littleEndian(vector.element)).base64EncodedData())
                body.writeStaticString("\"")
            } else {
                body.writeJSONList(vector.element) { $0.writeJSON($1) }
            }
            body.writeStaticString("}")
        }
        body.writeStaticString(",\"model\":")
        body.writeJSON(prepared.reading.model.name)
        body.writeStaticString(",\"usage\":")
        body.writeReadingUsage(usage)
        body.writeStaticString("}")
    }

    private static func littleEndian(_ vector: [Float]) -> [UInt8] {
        vector.flatMap { number in
            let bits = number.bitPattern
            return [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: bits >> $0) }
        }
    }
}
