import Inference
import NIOCore
import Serving

/// `GET /v1/models`, `GET /v1/models/{id}`: in OpenAI's shape, or in Anthropic's for clients that name a version of it.
enum Models {
    static func list(_ call: APICall) {
        let directory = call.core.directory
        let entries = directory.plainModels.map { Entry($0) } + directory.listedAliases.map { Entry($0) }
        call.respond { body in
            guard !call.isAnthropic else { return writePage(entries, into: &body) }
            body.writeStaticString("{\"object\":\"list\",\"data\":")
            body.writeJSONList(entries) { $1.write(into: &$0) }
            body.writeStaticString("}")
        }
    }

    static func one(_ call: APICall) {
        let directory = call.core.directory
        let entry: Entry
        do throws(ServeError) {
            if let alias = try directory.alias(call.id) {
                entry = Entry(alias)
            } else {
                entry = Entry(try directory.model(call.id))
            }
        } catch {
            let shown: ServeError = directory.models.isEmpty ? .modelNotFound(call.id) : error
            return call.fail(ErrorTable.error(shown, promptField: "model", options: call.core.options))
        }
        call.respond { call.isAnthropic ? entry.writeInfo(into: &$0) : entry.write(into: &$0) }
    }

    /// Anthropic's list: all on one page.
    private static func writePage(_ entries: [Entry], into body: inout ByteBuffer) {
        body.writeStaticString("{\"data\":")
        body.writeJSONList(entries) { $1.writeInfo(into: &$0) }
        body.writeStaticString(",\"has_more\":false,\"first_id\":")
        body.writeJSON(entries.first?.name)
        body.writeStaticString(",\"last_id\":")
        body.writeJSON(entries.last?.name)
        body.writeStaticString("}")
    }

    /// OpenAI's object, with the context length where vLLM has it, and of an alias what stands behind it.
    private struct Entry {
        var name: String
        var model: ServedModel
        var contextLength: Int
        var targets: [(model: ServedModel, weight: Int)] = []

        init(_ model: ServedModel) {
            name = model.name
            self.model = model
            contextLength = model.contextLength
        }

        /// Whatever model answers, so many tokens fit.
        init(_ alias: ModelDirectory.Alias) {
            name = alias.name
            model = alias.root
            contextLength = alias.targets.reduce(Int.max) { min($0, $1.model.contextLength) }
            targets = alias.targets
        }

        /// Anthropic's object.
        func writeInfo(into body: inout ByteBuffer) {
            body.writeStaticString("{\"type\":\"model\",\"id\":")
            body.writeJSON(name)
            body.writeStaticString(",\"display_name\":")
            body.writeJSON(name)
            body.writeStaticString(",\"created_at\":")
            body.writeJSON(UTCTime.text(unixSeconds: model.created))
            body.writeStaticString(",\"max_input_tokens\":")
            body.writeJSON(contextLength)
            body.writeStaticString(",\"max_tokens\":")
            body.writeJSON(contextLength)
            body.writeStaticString("}")
        }

        func write(into body: inout ByteBuffer) {
            body.writeStaticString("{\"id\":")
            body.writeJSON(name)
            body.writeStaticString(",\"object\":\"model\",\"created\":")
            body.writeJSON(model.created)
            body.writeStaticString(",\"owned_by\":\"apus\",\"max_model_len\":")
            body.writeJSON(contextLength)
            if !targets.isEmpty {
                body.writeStaticString(",\"root\":")
                body.writeJSON(model.name)
                body.writeStaticString(",\"targets\":")
                body.writeJSONList(targets) { body, target in
                    body.writeStaticString("{\"id\":")
                    body.writeJSON(target.model.name)
                    body.writeStaticString(",\"weight\":")
                    body.writeJSON(target.weight)
                    body.writeStaticString("}")
                }
            }
            body.writeStaticString("}")
        }
    }
}
