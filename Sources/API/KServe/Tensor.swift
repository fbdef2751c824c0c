import Inference
import Serving

/// Datatypes of the Open Inference Protocol, and Triton's BF16. Raw values are their names on the wire.
enum TensorType: String, CaseIterable, Sendable {
    case bool = "BOOL"
    case uint8 = "UINT8"
    case uint16 = "UINT16"
    case uint32 = "UINT32"
    case uint64 = "UINT64"
    case int8 = "INT8"
    case int16 = "INT16"
    case int32 = "INT32"
    case int64 = "INT64"
    case fp16 = "FP16"
    case fp32 = "FP32"
    case fp64 = "FP64"
    case bytes = "BYTES"
    case bf16 = "BF16"

    /// As Triton's model configurations spell it.
    var configurationName: String { self == .bytes ? "TYPE_STRING" : "TYPE_" + rawValue }
}

/// A tensor whose elements have been read, or are to be written. Row-major.
struct Tensor: Equatable, Sendable {
    var name: String
    var type: TensorType
    /// Its product is the count of `elements`.
    var shape: [Int]
    var elements: TensorElements
}

/// Elements by kind; the tensor's type gives their width.
enum TensorElements: Equatable, Sendable {
    case bools([Bool])
    case integers([Int64])
    case floats([Float])
    /// Elements of BYTES: text, here always.
    case texts([String])
}

/// What a tensor of a model is called and may be.
struct TensorSpec: Sendable {
    var name: String
    /// The declared one first; others are taken too.
    var types: [TensorType]
    /// -1: any length.
    var shape: [Int]
}

/// Inputs of a text model: those of Triton's vLLM backend, and token ids.
enum TextInput: String, CaseIterable, Sendable {
    case text = "text_input"
    case tokens = "input_ids"
    /// A JSON object of sampling parameters.
    case samplingParameters = "sampling_parameters"
    case stream = "stream"
    case excludesPrompt = "exclude_input_in_output"
    case returnsFinishReason = "return_finish_reason"
    case returnsCumulativeLogprob = "return_cumulative_logprob"
    case returnsLogprobs = "return_logprobs"
    case returnsInputTokenCount = "return_num_input_tokens"
    case returnsOutputTokenCount = "return_num_output_tokens"

    var spec: TensorSpec {
        switch self {
        case .text: TensorSpec(name: rawValue, types: [.bytes], shape: [-1])
        case .tokens: TensorSpec(name: rawValue, types: [.int64, .int32], shape: [-1])
        case .samplingParameters: TensorSpec(name: rawValue, types: [.bytes], shape: [1])
        case .stream, .excludesPrompt, .returnsFinishReason, .returnsCumulativeLogprob, .returnsLogprobs,
            .returnsInputTokenCount, .returnsOutputTokenCount:
            TensorSpec(name: rawValue, types: [.bool], shape: [1])
        }
    }

    /// The output that this input asks for.
    var output: TextOutput? {
        switch self {
        case .returnsFinishReason: .finishReason
        case .returnsCumulativeLogprob: .cumulativeLogprob
        case .returnsLogprobs: .logprobs
        case .returnsInputTokenCount: .inputTokenCount
        case .returnsOutputTokenCount: .outputTokenCount
        case .text, .tokens, .samplingParameters, .stream, .excludesPrompt: nil
        }
    }
}

/// Outputs of models. All but `output_ids`, `num_input_tokens` and `embedding` have one element for each answer.
enum TextOutput: String, CaseIterable, Sendable {
    case text = "text_output"
    case tokens = "output_ids"
    /// "stop" or "length".
    case finishReason = "finish_reason"
    case cumulativeLogprob = "cumulative_logprob"
    /// JSON: for each token its own log-probability and those of its alternatives, by token id.
    case logprobs = "logprobs"
    /// One element for each prompt.
    case inputTokenCount = "num_input_tokens"
    /// Tokens of the answer's text, and the stop token that ended it.
    case outputTokenCount = "num_output_tokens"
    /// (texts, numbers of a vector), of models that read whole texts.
    case embedding = "embedding"

    var spec: TensorSpec {
        TensorSpec(name: rawValue, types: [type], shape: self == .embedding ? [-1, -1] : [-1])
    }

    private var type: TensorType {
        switch self {
        case .text, .finishReason, .logprobs: .bytes
        case .tokens: .int64
        case .cumulativeLogprob, .embedding: .fp32
        case .inputTokenCount, .outputTokenCount: .uint32
        }
    }
}

// What a model has of them.
extension ServedModel {
    var tensorInputs: [TextInput] {
        switch pooledOutput {
        case nil: TextInput.allCases
        case .vector?: [.text, .tokens, .returnsInputTokenCount]
        case .score?: []
        }
    }

    var tensorOutputs: [TextOutput] {
        switch pooledOutput {
        case nil: TextOutput.allCases.filter { $0 != .embedding }
        case .vector?: [.embedding, .inputTokenCount]
        case .score?: []
        }
    }
}
