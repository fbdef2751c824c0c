import JSON
import NIOCore
import Serving

/// What `GET /v2/…` tells of the server, its models, what they have cost; and what cannot be changed here.
enum MetadataEndpoints {
    static func server(_ call: APICall) {
        call.respond { body in
            body.writeStaticString("{\"name\":")
            body.writeJSON(ServerFacts.name)
            body.writeStaticString(",\"version\":")
            body.writeJSON(call.core.options.version)
            body.writeStaticString(",\"extensions\":")
            body.writeJSONList(ServerFacts.extensions) { $0.writeJSON($1) }
            body.writeStaticString("}")
        }
    }

    /// KServe's list of names.
    static func models(_ call: APICall) {
        call.respond { body in
            body.writeStaticString("{\"models\":")
            body.writeJSONList(call.core.directory.names) { $0.writeJSON($1) }
            body.writeStaticString("}")
        }
    }

    static func model(_ call: APICall) {
        guard let model = find(call) else { return }
        call.respond { body in
            body.writeStaticString("{\"name\":")
            body.writeJSON(model.name)
            body.writeStaticString(",\"versions\":")
            body.writeJSONList([ModelVersion.only]) { $0.writeJSON($1) }
            body.writeStaticString(",\"platform\":")
            body.writeJSON(ServerFacts.platform)
            body.writeStaticString(",\"inputs\":")
            body.writeJSONList(model.tensorInputs) { write($1.spec, into: &$0) }
            body.writeStaticString(",\"outputs\":")
            body.writeJSONList(model.tensorOutputs) { write($1.spec, into: &$0) }
            body.writeStaticString("}")
        }
    }

    private static func write(_ spec: TensorSpec, into body: inout ByteBuffer) {
        body.writeStaticString("{\"name\":")
        body.writeJSON(spec.name)
        body.writeStaticString(",\"datatype\":")
        body.writeJSON(spec.types.first?.rawValue)
        body.writeStaticString(",\"shape\":")
        body.writeJSONList(spec.shape) { $0.writeJSON($1) }
        body.writeStaticString("}")
    }

    static func modelReady(_ call: APICall) {
        guard let model = find(call) else { return }
        let isReady = call.core.service.isReady(model.name)
        call.respond(status: isReady ? 200 : 503) { body in
            body.writeStaticString("{\"name\":")
            body.writeJSON(model.name)
            body.writeStaticString(",\"ready\":")
            body.writeJSON(isReady)
            body.writeStaticString("}")
        }
    }

    /// As Triton prints a model's configuration.
    static func configuration(_ call: APICall) {
        guard let model = find(call) else { return }
        call.respond { body in
            body.writeStaticString("{\"name\":")
            body.writeJSON(model.name)
            body.writeStaticString(",\"platform\":")
            body.writeJSON(ServerFacts.platform)
            body.writeStaticString(",\"backend\":")
            body.writeJSON(ServerFacts.platform)
            body.writeStaticString(",\"max_batch_size\":0,\"input\":")
            body.writeJSONList(model.tensorInputs) { body, input in
                writeConfiguration(input.spec, into: &body)
                body.writeStaticString(",\"optional\":true}")
            }
            body.writeStaticString(",\"output\":")
            body.writeJSONList(model.tensorOutputs) { body, output in
                writeConfiguration(output.spec, into: &body)
                body.writeStaticString("}")
            }
            body.writeStaticString(",\"model_transaction_policy\":{\"decoupled\":")
            body.writeJSON(model.pooledOutput == nil)
            body.writeStaticString("}}")
        }
    }

    /// Without the closing brace.
    private static func writeConfiguration(_ spec: TensorSpec, into body: inout ByteBuffer) {
        body.writeStaticString("{\"name\":")
        body.writeJSON(spec.name)
        body.writeStaticString(",\"data_type\":")
        body.writeJSON(spec.types.first?.configurationName)
        body.writeStaticString(",\"dims\":")
        body.writeJSONList(spec.shape) { $0.writeJSON($1) }
    }

    static func allStatistics(_ call: APICall) {
        writeStatistics(call, of: call.core.service.models)
    }

    static func statistics(_ call: APICall) {
        guard let model = find(call) else { return }
        writeStatistics(call, of: [model])
    }

    private static func writeStatistics(_ call: APICall, of models: [ServedModel]) {
        call.respond { body in
            body.writeStaticString("{\"model_stats\":")
            body.writeJSONList(models) { body, model in
                write(call.core.inference.counters(model.name).statistics(model.name), into: &body)
            }
            body.writeStaticString("}")
        }
    }

    private static func write(_ statistics: ModelStatistics, into body: inout ByteBuffer) {
        body.writeStaticString("{\"name\":")
        body.writeJSON(statistics.model)
        body.writeStaticString(",\"version\":")
        body.writeJSON(ModelVersion.only)
        body.writeStaticString(",\"last_inference\":")
        body.writeJSON(statistics.lastRequestSeconds * 1_000)
        body.writeStaticString(",\"inference_count\":")
        body.writeJSON(statistics.sequenceCount)
        body.writeStaticString(",\"execution_count\":")
        body.writeJSON(statistics.executionCount)
        body.writeStaticString(",\"inference_stats\":{")
        for (index, (name, duration)) in statistics.durations.enumerated() {
            if index > 0 { body.writeStaticString(",") }
            body.writeStaticString("\"")
            body.writeStaticString(name)
            body.writeStaticString("\":{\"count\":")
            body.writeJSON(duration.count)
            body.writeStaticString(",\"ns\":")
            body.writeJSON(duration.nanoseconds)
            body.writeStaticString("}")
        }
        body.writeStaticString("},\"batch_stats\":[]}")
    }

    /// The model that the path names; nil when there is none, and the call is answered.
    fileprivate static func find(_ call: APICall) -> ServedModel? {
        do throws(APIError) {
            return try ModelVersion(path: call.id).find(in: call.core.directory, call.core.options)
        } catch {
            call.fail(error)
            return nil
        }
    }
}

/// Triton's trace and logging extensions.
enum ServerSettingEndpoints {
    /// Of the server, or of a model that the path names: they are the same.
    static func traceSettings(_ call: APICall) {
        guard call.id.isEmpty || MetadataEndpoints.find(call) != nil else { return }
        call.respond { $0.writeStaticString("{\"trace_level\":[\"OFF\"]}") }
    }

    /// Settings that leave traces off are no change.
    static func setTrace(_ call: APICall) {
        call.withBody(checksType: false) { (body, _) throws(APIError) in
            let settings = try FieldReader.body(body)
            for member in settings.object.members {
                let isOff = member.name == "trace_level" && [.array([.string("OFF")]), .null].contains(member.value)
                guard isOff else { throw .unimplemented(ServerFacts.noTraces) }
            }
        } then: {
            traceSettings(call)
        }
    }

    static func logSettings(_ call: APICall) { call.refuse(.unimplemented(ServerFacts.logsAtStart)) }
}
