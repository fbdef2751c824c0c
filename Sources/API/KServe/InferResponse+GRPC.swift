import InferenceProtocol
import NIOCore

extension WireModelInferResponse {
    /// Tensors as the request's came: all raw, or all in typed fields.
    init(_ response: InferResponse) {
        self.init()
        modelName = response.model
        modelVersion = ModelVersion.only
        id = response.id
        if let isFinal = response.isFinal {
            var parameter = WireInferParameter()
            parameter.boolParam = isFinal
            parameters["triton_final_response"] = parameter
        }
        let isRaw = !response.binaryOutputs.isEmpty
        for tensor in response.outputs {
            var output = InferOutputTensor()
            output.name = tensor.name
            output.datatype = tensor.type.rawValue
            output.shape = tensor.shape.map { Int64($0) }
            if isRaw {
                var bytes = ByteBuffer()
                bytes.writeTensor(tensor)
                rawOutputContents.append(GRPCMessages.data(bytes))
            } else {
                output.contents = Self.contents(of: tensor)
            }
            outputs.append(output)
        }
    }

    private static func contents(of tensor: Tensor) -> WireInferTensorContents {
        var contents = WireInferTensorContents()
        switch tensor.elements {
        case .bools(let bools): contents.boolContents = bools
        case .floats(let floats): contents.fp32Contents = floats
        case .texts(let texts):
            contents.bytesContents = texts.map { GRPCMessages.data(ByteBuffer(string: $0)) }
        case .integers(let integers):
            switch tensor.type {
            case .int64: contents.int64Contents = integers
            case .uint32: contents.uintContents = integers.map { UInt32(truncatingIfNeeded: $0) }
            default: contents.intContents = integers.map { Int32(truncatingIfNeeded: $0) }
            }
        }
        return contents
    }
}
