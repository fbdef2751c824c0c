import HTTP
import NIOCore

extension InferResponse {
    /// Header fields and body as `infer` answers. Source: KServe v2 inference_rest.md, Triton's binary tensor data extension.
    func restAnswer() -> (contentType: String, headers: [HTTPField], body: ByteBuffer) {
        var (json, bytes) = (ByteBuffer(), ByteBuffer())
        writeEnvelope(into: &json)
        json.writeStaticString(",\"outputs\":")
        json.writeJSONList(outputs) { json, tensor in
            json.writeStaticString("{\"name\":")
            json.writeJSON(tensor.name)
            json.writeStaticString(",\"datatype\":")
            json.writeJSON(tensor.type.rawValue)
            json.writeStaticString(",\"shape\":")
            json.writeJSONList(tensor.shape) { $0.writeJSON($1) }
            if binaryOutputs.contains(where: { $0.rawValue == tensor.name }) {
                json.writeStaticString(",\"parameters\":{\"binary_data_size\":")
                json.writeJSON(bytes.writeTensor(tensor))
                json.writeStaticString("}}")
            } else {
                json.writeStaticString(",\"data\":")
                json.writeElements(tensor.elements)
                json.writeStaticString("}")
            }
        }
        json.writeStaticString("}")
        guard !binaryOutputs.isEmpty else { return ("application/json", [], json) }
        let header = HTTPField("inference-header-content-length", String(json.readableBytes))
        json.writeImmutableBuffer(bytes)
        return ("application/octet-stream", [header], json)
    }

    /// `{"id":…,"model_name":…,"model_version":…,"text_output":…}`: outputs of one element without brackets.
    /// Source: Triton's generate extension.
    func writeGenerated(into buffer: inout ByteBuffer) {
        writeEnvelope(into: &buffer)
        for tensor in outputs {
            buffer.writeStaticString(",")
            buffer.writeJSON(tensor.name)
            buffer.writeStaticString(":")
            buffer.writeElements(tensor.elements, bareIfOne: tensor.name != TextOutput.tokens.rawValue)
        }
        buffer.writeStaticString("}")
    }

    /// `{"model_name":…,"model_version":…,"id":…`, without the closing brace.
    private func writeEnvelope(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"model_name\":")
        buffer.writeJSON(model)
        buffer.writeStaticString(",\"model_version\":")
        buffer.writeJSON(ModelVersion.only)
        guard !id.isEmpty else { return }
        buffer.writeStaticString(",\"id\":")
        buffer.writeJSON(id)
    }
}

extension ByteBuffer {
    /// The tensor's elements as its type has them, little-endian; an element of BYTES is 4 bytes of length and itself.
    /// - Returns: bytes written.
    @discardableResult
    mutating func writeTensor(_ tensor: Tensor) -> Int {
        let before = readableBytes
        switch tensor.elements {
        case .bools(let bools): writeBytes(bools.map { $0 ? 1 : 0 })
        case .integers(let integers):
            for integer in integers {
                if tensor.type == .int64 {
                    writeInteger(integer, endianness: .little)
                } else {
                    writeInteger(UInt32(truncatingIfNeeded: integer), endianness: .little)
                }
            }
        case .floats(let floats): for float in floats { writeInteger(float.bitPattern, endianness: .little) }
        case .texts(let texts):
            for text in texts {
                writeInteger(UInt32(clamping: text.utf8.count), endianness: .little)
                writeString(text)
            }
        }
        return readableBytes - before
    }

    /// - Parameter bareIfOne: one element stands without brackets.
    fileprivate mutating func writeElements(_ elements: TensorElements, bareIfOne: Bool = false) {
        switch elements {
        case .bools(let bools): writeElements(bools, bareIfOne) { $0.writeJSON($1) }
        case .integers(let integers): writeElements(integers, bareIfOne) { $0.writeJSON($1) }
        case .floats(let floats): writeElements(floats, bareIfOne) { $0.writeJSON($1) }
        case .texts(let texts): writeElements(texts, bareIfOne) { $0.writeJSON($1) }
        }
    }

    private mutating func writeElements<Element>(
        _ elements: [Element], _ bareIfOne: Bool, _ write: (inout ByteBuffer, Element) -> Void
    ) {
        if bareIfOne, elements.count == 1 { write(&self, elements[0]) } else { writeJSONList(elements, write) }
    }
}
