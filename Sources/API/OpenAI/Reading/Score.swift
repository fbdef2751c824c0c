import Inference
import JSON
import NIOCore
import Serving

/// `POST /v1/score`, as vLLM has it: one text with each of several, or texts pair by pair.
enum Score {
    private struct Prepared: PreparedRequest {
        var reading: PreparedReading
        var pairs: TextPairs
        var output: PooledOutput

        var serviceRequest: GenerationRequest? { reading.request }
    }

    static func answer(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            try prepare(body, preparation)
        } then: { prepared in
            let created = call.core.surroundings.unixSeconds()
            ReadingSession.start(call, prepared.reading, promptField: "text_2") { results, usage, name, body in
                let scores = prepared.pairs.scores(results, prepared.output)
                body.writeStaticString("{\"id\":\"score-")
                body.writeString(name)
                body.writeStaticString("\",\"object\":\"list\",\"created\":")
                body.writeJSON(created)
                body.writeStaticString(",\"model\":")
                body.writeJSON(prepared.reading.model.name)
                body.writeStaticString(",\"data\":")
                body.writeJSONList(scores.enumerated()) { body, score in
                    body.writeStaticString("{\"index\":")
                    body.writeJSON(score.offset)
                    body.writeStaticString(",\"object\":\"score\",\"score\":")
                    body.writeJSON(score.element)
                    body.writeStaticString("}")
                }
                body.writeStaticString(",\"usage\":")
                body.writeReadingUsage(usage)
                body.writeStaticString("}")
            }
        }
    }

    private static func prepare(_ body: [UInt8], _ preparation: Preparation) throws(APIError) -> Prepared {
        let fields = try FieldReader.body(body)
        let (model, output) = try preparation.reader(fields, promptField: "text_2")
        try RefusedFields.check(fields, against: RefusedFields.score)
        let firsts = try texts("text_1", fields, preparation.options)
        let seconds = try texts("text_2", fields, preparation.options)
        guard firsts.texts.count == 1 || firsts.texts.count == seconds.texts.count else {
            throw .invalid(
                "text_1", code: "invalid_value",
                "text_1 must be one text, or as many as text_2 has (\(seconds.texts.count)), but has "
                    + "\(firsts.texts.count).")
        }
        let pairs = TextPairs(
            firsts: firsts.texts, seconds: seconds.texts,
            firstName: { firsts.isList ? "text_1[\($0)]" : "text_1" },
            secondName: { seconds.isList ? "text_2[\($0)]" : "text_2" })
        return Prepared(
            reading: try pairs.prepared(fields, model: model, output), pairs: pairs, output: output)
    }

    /// A string, or some.
    private static func texts(
        _ name: String, _ fields: FieldReader, _ options: APIOptions
    ) throws(APIError) -> (texts: [String], isList: Bool) {
        guard let value = fields.value(name) else { throw fields.missing(name) }
        switch value {
        case .string(let text): return ([text], false)
        case .array(let elements):
            guard !elements.isEmpty else { throw .invalid(name, code: "empty_array", "\(name) is empty.") }
            guard elements.count <= options.textCountMax else {
                throw fields.tooMany(name, count: elements.count, countMax: options.textCountMax)
            }
            return (try FieldReader.strings(elements, at: name), true)
        case .null, .bool, .integer, .unsigned, .double, .object:
            throw fields.wrongKind(name, wanted: "a string or a list of strings", value)
        }
    }
}
