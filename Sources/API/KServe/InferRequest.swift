import InferenceProtocol
import JSON

/// A request to infer as it came, in whichever encoding: inputs are still to be read.
struct InferRequest: Sendable {
    struct RequestedOutput: Sendable {
        var name: String
        /// nil: as the request says for all.
        var isBinary: Bool?
    }

    /// Comes back with the answer.
    var id = ""
    var parameters = JSONObject()
    var inputs: [IncomingTensor] = []
    /// Empty: what the model gives unasked.
    var outputs: [RequestedOutput] = []
    /// Whether outputs that do not say otherwise are sent as bytes after the JSON, or in `raw_output_contents`.
    var isBinaryWanted = false

    /// Bytes an `id` may have: it comes back in every response of a stream.
    static let idByteCountMax = 1_024

    static func check(id: String) throws(APIError) -> String {
        guard id.utf8.count <= idByteCountMax else {
            throw .invalid(
                "id", code: "string_above_max_length",
                "id may have \(idByteCountMax) bytes at most, but has \(id.utf8.count).")
        }
        return id
    }
}

// JSON, with tensors inside or behind it. Source: KServe v2 inference_rest.md, Triton's binary tensor data extension.
extension InferRequest {
    /// - Parameter headerLength: `Inference-Header-Content-Length`: bytes of JSON, which binary tensors follow.
    init(body: [UInt8], headerLength: String?) throws(APIError) {
        var rest: ArraySlice<UInt8> = []
        var json = body
        if let headerLength {
            guard let length = Int(headerLength), (0...body.count).contains(length) else {
                throw .invalid(
                    "Inference-Header-Content-Length", code: "invalid_value",
                    "Inference-Header-Content-Length must be 0 to the body's \(body.count) bytes, but is "
                        + "\(headerLength.prefix(32)).")
            }
            guard length > 0 else {
                throw .invalid(
                    "Inference-Header-Content-Length", code: "invalid_value",
                    "A body without JSON can only be the data of a model's one input, but a text model has several.")
            }
            json = Array(body[..<length])
            rest = body[length...]
        }
        let fields = try FieldReader.body(json)
        id = try Self.check(id: try fields.string("id") ?? "")
        parameters = try fields.object("parameters")?.object ?? JSONObject()
        let binary = FieldReader(parameters, path: "parameters")
        isBinaryWanted = try binary.bool("binary_data_output") ?? false
        parameters.members.removeAll { $0.name == "binary_data_output" }
        try readInputs(fields, &rest)
        try readOutputs(fields)
        guard rest.isEmpty else {
            throw .invalid(
                "inputs", code: "invalid_value",
                "\(rest.count) bytes follow the tensors that binary_data_size speaks of.")
        }
    }

    private mutating func readInputs(_ fields: FieldReader, _ rest: inout ArraySlice<UInt8>) throws(APIError) {
        guard let list = try fields.array("inputs", countMax: TextInput.allCases.count) else {
            throw fields.missing("inputs")
        }
        for (index, value) in list.enumerated() {
            let input = try Self.object(value, at: "inputs[\(index)]")
            guard let name = try input.string("name") else { throw input.missing("name") }
            guard let datatype = try input.string("datatype") else { throw input.missing("datatype") }
            guard let shape = try input.array("shape", countMax: 8) else { throw input.missing("shape") }
            var lengths: [Int] = []
            for (place, length) in shape.enumerated() {
                lengths.append(
                    try FieldReader.integer(length, at: input.parameter("shape[\(place)]"), in: Int.min...Int.max))
            }
            inputs.append(
                IncomingTensor(
                    name: name, datatype: datatype, shape: lengths, contents: try Self.contents(of: input, &rest)))
        }
    }

    private static func contents(
        of input: FieldReader, _ rest: inout ArraySlice<UInt8>
    ) throws(APIError) -> IncomingTensor.Contents {
        let parameters = try input.object("parameters")
        try SharedMemory.refuse(parameters?.object.members.map(\.name) ?? [])
        guard let size = try parameters?.integer("binary_data_size", in: 0...Int.max) else {
            guard let data = input.value("data") else { throw input.missing("data") }
            return .json(data)
        }
        guard input.value("data") == nil else {
            throw .invalid(
                input.parameter("data"), code: "invalid_value",
                "\(input.parameter("data")) must not be given beside binary_data_size.")
        }
        guard size <= rest.count else {
            throw .invalid(
                input.parameter("parameters.binary_data_size"), code: "truncated",
                "\(input.parameter("parameters.binary_data_size")) is \(size), but \(rest.count) bytes are left after "
                    + "the JSON. Inference-Header-Content-Length tells where that ends.")
        }
        defer { rest = rest.dropFirst(size) }
        return .raw(Array(rest.prefix(size)))
    }

    private mutating func readOutputs(_ fields: FieldReader) throws(APIError) {
        for (index, value) in (try fields.array("outputs", countMax: TextOutput.allCases.count) ?? []).enumerated() {
            let output = try Self.object(value, at: "outputs[\(index)]")
            guard let name = try output.string("name") else { throw output.missing("name") }
            let parameters = try output.object("parameters")
            try SharedMemory.refuse(parameters?.object.members.map(\.name) ?? [])
            outputs.append(RequestedOutput(name: name, isBinary: try parameters?.bool("binary_data")))
        }
    }

    private static func object(_ value: JSONValue, at path: String) throws(APIError) -> FieldReader {
        guard case .object(let object) = value else {
            throw FieldReader.wrongKind(path, wanted: "an object", value)
        }
        return FieldReader(object, path: path)
    }
}

// Protobuf. Source: KServe v2 open_inference_grpc.proto.
extension InferRequest {
    init(_ wire: WireModelInferRequest) throws(APIError) {
        id = try Self.check(id: wire.id)
        parameters = Self.object(wire.parameters)
        isBinaryWanted = !wire.rawInputContents.isEmpty
        for (list, count, limit) in [
            ("inputs", wire.inputs.count, TextInput.allCases.count),
            ("outputs", wire.outputs.count, TextOutput.allCases.count),
        ] where count > limit {
            throw FieldReader(JSONObject()).tooMany(list, count: count, countMax: limit)
        }
        guard wire.rawInputContents.isEmpty || wire.rawInputContents.count == wire.inputs.count else {
            throw .invalid(
                "raw_input_contents", code: "invalid_contents",
                "raw_input_contents has \(wire.rawInputContents.count) elements, but there are \(wire.inputs.count) "
                    + "inputs: it must be given for all of them or for none.")
        }
        for (index, input) in wire.inputs.enumerated() {
            try SharedMemory.refuse(input.parameters.keys.sorted())
            let isRaw = !wire.rawInputContents.isEmpty
            guard !isRaw || input.contents == WireInferTensorContents() else {
                throw .invalid(
                    "inputs[\(index)].contents", code: "invalid_contents",
                    "inputs[\(index)].contents must be empty, since raw_input_contents is used.")
            }
            inputs.append(
                IncomingTensor(
                    name: input.name, datatype: input.datatype, shape: input.shape.map { Int($0) },
                    contents: isRaw ? .raw(Array(wire.rawInputContents[index])) : .typed(input.contents)))
        }
        for output in wire.outputs {
            try SharedMemory.refuse(output.parameters.keys.sorted())
            outputs.append(RequestedOutput(name: output.name))
        }
    }

    /// Parameters as they would be in JSON, by name.
    private static func object(_ parameters: [String: WireInferParameter]) -> JSONObject {
        var object = JSONObject()
        for (name, parameter) in parameters.sorted(by: { $0.key < $1.key }) {
            let value: JSONValue =
                switch parameter.parameterChoice {
                case .boolParam(let bool): .bool(bool)
                case .int64Param(let number): .integer(number)
                case .uint64Param(let number): Int64(exactly: number).map { .integer($0) } ?? .unsigned(number)
                case .doubleParam(let number): .double(number)
                case .stringParam(let text): .string(text)
                case nil: .null
                }
            object.members.append(.init(name: name, value: value))
        }
        return object
    }
}

/// Parameters of tensors that ask for what is not here.
private enum SharedMemory {
    static func refuse(_ parameters: [String]) throws(APIError) {
        if let name = parameters.first(where: { $0.hasPrefix("shared_memory") }) {
            throw .unsupported(name, "tensors come and go with the request")
        }
        if parameters.contains("classification") {
            throw .unsupported("classification", "a text model's outputs are no classes")
        }
    }
}
