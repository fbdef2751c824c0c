import Inference
import JSON
import Serving

/// What a text model is asked, whichever way it came: tensors of `infer`, or keys of `generate`.
///
/// Sampling parameters stay JSON, so that one table reads them for every dialect; see ``SamplingFields``.
struct TextModelRequest: Sendable {
    enum Prompt: Sendable {
        case texts([String])
        /// One prompt of token ids.
        case tokens([Int64], TensorType)
    }

    var id: String
    private(set) var prompt: Prompt?
    /// Of the tensor that held the prompt.
    private(set) var shape: [Int] = []
    private(set) var sampling = JSONObject()
    /// Of `sampling`, in bytes: whoever sends thousands is not to have each compared with all the others.
    private var sampledNames: Set<[UInt8]> = []
    private(set) var outputs: [InferRequest.RequestedOutput] = []
    private(set) var isBinaryWanted = false
    private(set) var queueTimeoutSeconds: Double?
    private(set) var wantsEmptyFinalResponse = false
    private var flags: [TextInput: Bool] = [:]

    func flag(_ input: TextInput) -> Bool? { flags[input] }

    /// Reads the tensors.
    init(_ request: InferRequest) throws(APIError) {
        id = request.id
        outputs = request.outputs
        isBinaryWanted = request.isBinaryWanted
        var seen: Set<TextInput> = []
        for tensor in request.inputs {
            guard let input = TextInput(rawValue: tensor.name) else {
                let known = TextInput.allCases.map(\.rawValue).joined(separator: ", ")
                throw .invalid(
                    "inputs", code: "unknown_input",
                    "\"\(tensor.name.prefix(64))\" is no input of a text model. Inputs are \(known).")
            }
            guard seen.insert(input).inserted else { throw Self.givenTwice(tensor.name) }
            try take(input, try tensor.read(as: input.spec))
        }
        for parameter in request.parameters.members {
            try takeParameter(parameter.name, parameter.value)
        }
        guard prompt != nil else { throw Self.noPrompt }
    }

    /// Reads the body of `generate`: keys are inputs or parameters. Source: Triton's generate extension.
    init(generate fields: FieldReader) throws(APIError) {
        id = try InferRequest.check(id: try fields.string("id") ?? "")
        for member in fields.object.members where member.value != .null {
            switch member.name {
            case "id", "parameters", "model": break
            case TextInput.text.rawValue: try setPrompt(.texts(try Self.texts(member.value)), shape: [])
            case TextInput.tokens.rawValue: try setPrompt(try Self.tokens(member.value), shape: [])
            case TextInput.samplingParameters.rawValue:
                if case .object(let object) = member.value {
                    for parameter in object.members { try add(parameter.name, parameter.value) }
                } else {
                    try takeSampling(try fields.string(member.name) ?? "")
                }
            default: try takeKey(member.name, member.value)
            }
        }
        for parameter in try fields.object("parameters")?.object.members ?? [] {
            try takeKey(parameter.name, parameter.value)
        }
        guard prompt != nil else { throw Self.noPrompt }
    }

    static let noPrompt = APIError.invalid(
        TextInput.text.rawValue, code: "missing_required_parameter",
        "\(TextInput.text.rawValue) is required, or \(TextInput.tokens.rawValue) in its place.")
}

// Tensors.
extension TextModelRequest {
    private mutating func take(_ input: TextInput, _ tensor: Tensor) throws(APIError) {
        switch (input, tensor.elements) {
        case (.text, .texts(let texts)):
            guard tensor.shape.count == 1 || (tensor.shape.count == 2 && tensor.shape[1] == 1) else {
                throw Self.wrongShape(tensor, "[n] or [n,1]")
            }
            try setPrompt(.texts(texts), shape: tensor.shape)
        case (.tokens, .integers(let ids)):
            guard tensor.shape.count == 1 || (tensor.shape.count == 2 && tensor.shape[0] == 1) else {
                throw Self.wrongShape(tensor, "[n] or [1,n]: one prompt")
            }
            try setPrompt(.tokens(ids, tensor.type), shape: tensor.shape)
        case (.samplingParameters, .texts(let texts)):
            guard texts.count == 1 else { throw Self.wrongShape(tensor, "[1]") }
            try takeSampling(texts[0])
        case (_, .bools(let bools)):
            guard bools.count == 1 else { throw Self.wrongShape(tensor, "[1]") }
            flags[input] = bools[0]
        case (_, .texts), (_, .integers), (_, .floats):
            throw .invalid(tensor.name, code: "invalid_datatype", "\(tensor.name) has the wrong datatype.")
        }
    }

    private mutating func setPrompt(_ prompt: Prompt, shape: [Int]) throws(APIError) {
        guard self.prompt == nil else {
            throw .invalid(
                TextInput.tokens.rawValue, code: "invalid_value",
                "\(TextInput.tokens.rawValue) and \(TextInput.text.rawValue) must not both be given.")
        }
        self.prompt = prompt
        self.shape = shape
    }

    private static func wrongShape(_ tensor: Tensor, _ wanted: String) -> APIError {
        .invalid(
            tensor.name, code: "invalid_shape",
            "\(tensor.name) must have the shape \(wanted), but \(tensor.shape) was given.")
    }
}

// Parameters.
extension TextModelRequest {
    /// A JSON object in a tensor or a string.
    private mutating func takeSampling(_ text: String) throws(APIError) {
        let name = TextInput.samplingParameters.rawValue
        let value: JSONValue
        do {
            value = try JSONParser.parse(Array(text.utf8))
        } catch {
            throw .invalid(
                name, code: "invalid_json", "\(name) is not valid JSON: byte \(error.offset) of \(text.utf8.count).")
        }
        guard case .object(let object) = value else {
            throw FieldReader.wrongKind(name, wanted: "a JSON object", value)
        }
        for parameter in object.members { try add(parameter.name, parameter.value) }
    }

    /// A key of `generate`, outside or inside `parameters`.
    private mutating func takeKey(_ name: String, _ value: JSONValue) throws(APIError) {
        guard let input = TextInput(rawValue: name) else { return try takeParameter(name, value) }
        guard case .bool(let bool) = value, input.spec.types == [.bool] else {
            throw FieldReader.wrongKind(name, wanted: "a boolean", value)
        }
        guard flags.updateValue(bool, forKey: input) == nil else { throw Self.givenTwice(name) }
    }

    /// A request's parameter: the protocol's own, or one of sampling.
    private mutating func takeParameter(_ name: String, _ value: JSONValue) throws(APIError) {
        let reader = FieldReader(JSONObject(members: [.init(name: name, value: value)]))
        switch name {
        case TextInput.stream.rawValue, TextInput.excludesPrompt.rawValue:
            guard let input = TextInput(rawValue: name), let bool = try reader.bool(name) else { return }
            guard flags.updateValue(bool, forKey: input) == nil else { throw Self.givenTwice(name) }
        case "timeout":
            // Microseconds in the queue; 0 is the server's own limit.
            let limit = try reader.integer(name, in: 0...Int(Int64.max)) ?? 0
            queueTimeoutSeconds = limit == 0 ? nil : Double(limit) / 1e6
        case "triton_enable_empty_final_response":
            wantsEmptyFinalResponse = try reader.bool(name) ?? false
        case "priority":
            // 0 is Triton's default level.
            guard try reader.integer(name, in: 0...Int(Int64.max)) ?? 0 == 0 else {
                throw .unsupported(name, "no levels are set up; put vLLM's priority into sampling_parameters")
            }
        case "sequence_id", "sequence_start", "sequence_end":
            switch value {
            case .null, .bool(false), .integer(0), .string(""): break
            default: throw .unsupported(name, "requests of a text model have no state in common")
            }
        case _ where name.hasPrefix("triton_"):
            throw .unsupported(String(name.prefix(64)), "names that begin with triton_ are the server's")
        default: try add(name, value)
        }
    }

    /// Numbers and flags that Triton's clients may send as text.
    private static let spelledOut: Set = [
        "temperature", "top_p", "top_k", "min_p", "n", "best_of", "seed", "max_tokens", "min_tokens", "logprobs",
        "repetition_penalty", "presence_penalty", "frequency_penalty", "priority", "ignore_eos", "skip_special_tokens",
        "include_stop_str_in_output", "add_special_tokens",
    ]

    private mutating func add(_ name: String, _ value: JSONValue) throws(APIError) {
        guard value != .null else { return }
        guard sampledNames.insert(Array(name.utf8)).inserted else { throw Self.givenTwice(name) }
        var value = value
        if case .string(let text) = value, Self.spelledOut.contains(name),
            let meant = try? JSONParser.parse(Array(text.lowercased().utf8))
        {
            value = meant
        }
        sampling.members.append(.init(name: name, value: value))
    }

    private static func givenTwice(_ name: String) -> APIError {
        .invalid(name, code: "invalid_value", "\(name.prefix(64)) is given twice.")
    }
}

// Values of `generate`'s keys.
extension TextModelRequest {
    private static func texts(_ value: JSONValue) throws(APIError) -> [String] {
        let name = TextInput.text.rawValue
        switch value {
        case .string(let text): return [text]
        case .array(let elements):
            let texts = try FieldReader.strings(elements, at: name)
            guard !texts.isEmpty else { throw .invalid(name, code: "empty_array", "\(name) is empty.") }
            return texts
        case .null, .bool, .integer, .unsigned, .double, .object:
            throw FieldReader.wrongKind(name, wanted: "a string or a list of strings", value)
        }
    }

    private static func tokens(_ value: JSONValue) throws(APIError) -> Prompt {
        let name = TextInput.tokens.rawValue
        guard case .array(let elements) = value else { throw FieldReader.wrongKind(name, wanted: "a list", value) }
        var ids: [Int64] = []
        for (index, element) in elements.enumerated() {
            ids.append(
                Int64(try FieldReader.integer(element, at: "\(name)[\(index)]", in: 0...Int(Int32.max))))
        }
        return .tokens(ids, .int64)
    }
}
