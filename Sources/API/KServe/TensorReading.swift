import InferenceProtocol
import JSON

/// A tensor as it came, before its elements are read.
struct IncomingTensor: Sendable {
    enum Contents: Sendable {
        /// `data`: a list, nested or flat.
        case json(JSONValue)
        /// Little-endian; an element of BYTES is 4 bytes of length and itself.
        case raw([UInt8])
        case typed(WireInferTensorContents)
    }

    var name: String
    var datatype: String
    var shape: [Int]
    var contents: Contents

    /// - Throws: what keeps this from being a tensor of that kind, naming the input.
    func read(as spec: TensorSpec) throws(APIError) -> Tensor {
        guard let type = TensorType(rawValue: datatype), spec.types.contains(type) else {
            let wanted = spec.types.map(\.rawValue).joined(separator: " or ")
            throw .invalid(
                name, code: "invalid_datatype", "\(name) must be \(wanted), but its datatype is \(datatype.prefix(32))."
            )
        }
        let count = try elementCount()
        let elements: TensorElements =
            switch contents {
            case .json(let value): try TensorJSON.elements(value, of: type, count: count, name: name)
            case .raw(let bytes): try TensorBytes.elements(bytes, of: type, count: count, name: name)
            case .typed(let contents): try TensorContents.elements(contents, of: type, count: count, name: name)
            }
        return Tensor(name: name, type: type, shape: shape, elements: elements)
    }

    private func elementCount() throws(APIError) -> Int {
        var count = 1
        guard (1...8).contains(shape.count) else {
            throw .invalid(
                name, code: "invalid_shape", "\(name) must have 1 to 8 dimensions, but its shape has \(shape.count).")
        }
        for length in shape {
            let (product, overflows) = count.multipliedReportingOverflow(by: length)
            guard length >= 1, !overflows else {
                throw .invalid(
                    name, code: "invalid_shape",
                    "\(name) has the shape \(shape): every dimension must be at least 1, and their product a number.")
            }
            count = product
        }
        return count
    }
}

extension APIError {
    /// The shape asks for another number of elements than came.
    fileprivate static func wrongCount(_ name: String, _ count: Int, came: Int, of what: String) -> APIError {
        .invalid(
            name, code: "invalid_shape", "\(name) has \(came) \(what), but its shape asks for \(count) elements.")
    }

    fileprivate static func wrongType(_ name: String, _ type: TensorType) -> APIError {
        .invalid(name, code: "invalid_datatype", "\(name) cannot have the datatype \(type.rawValue).")
    }

    fileprivate static func notText(_ name: String, _ index: Int) -> APIError {
        .invalid(name, code: "invalid_value", "\(name)[\(index)] is not valid UTF-8.")
    }
}

/// Elements in JSON.
private enum TensorJSON {
    static func elements(
        _ value: JSONValue, of type: TensorType, count: Int, name: String
    ) throws(APIError) -> TensorElements {
        guard case .array = value else {
            throw FieldReader.wrongKind("\(name).data", wanted: "a list", value)
        }
        var flat: [JSONValue] = []
        flatten(value, into: &flat)
        guard flat.count == count else { throw .wrongCount(name, count, came: flat.count, of: "values in data") }
        switch type {
        case .bool:
            var bools: [Bool] = []
            for (index, value) in flat.enumerated() {
                guard case .bool(let bool) = value else {
                    throw FieldReader.wrongKind("\(name)[\(index)]", wanted: "a boolean", value)
                }
                bools.append(bool)
            }
            return .bools(bools)
        case .int32, .int64:
            var integers: [Int64] = []
            let range = type == .int32 ? Int(Int32.min)...Int(Int32.max) : Int.min...Int.max
            for (index, value) in flat.enumerated() {
                integers.append(Int64(try FieldReader.integer(value, at: "\(name)[\(index)]", in: range)))
            }
            return .integers(integers)
        case .bytes:
            return .texts(try FieldReader.strings(flat, at: name))
        case .uint8, .uint16, .uint32, .uint64, .int8, .int16, .fp16, .fp32, .fp64, .bf16:
            throw .wrongType(name, type)
        }
    }

    /// As deep as the parser allows.
    private static func flatten(_ value: JSONValue, into flat: inout [JSONValue]) {
        guard case .array(let elements) = value else { return flat.append(value) }
        for element in elements { flatten(element, into: &flat) }
    }
}

/// Elements as bytes.
private enum TensorBytes {
    static func elements(
        _ bytes: [UInt8], of type: TensorType, count: Int, name: String
    ) throws(APIError) -> TensorElements {
        switch type {
        case .bool:
            try check(bytes, width: 1, count, name)
            if let other = bytes.first(where: { $0 > 1 }) {
                throw .invalid(name, code: "invalid_value", "\(name) must hold bytes of 0 or 1, but has a \(other).")
            }
            return .bools(bytes.map { $0 == 1 })
        case .int32:
            try check(bytes, width: 4, count, name)
            return .integers(
                integers(bytes, width: 4).map { Int64(Int32(truncatingIfNeeded: $0)) })
        case .int64:
            try check(bytes, width: 8, count, name)
            return .integers(integers(bytes, width: 8).map { Int64(bitPattern: $0) })
        case .bytes: return .texts(try texts(bytes, count, name))
        case .uint8, .uint16, .uint32, .uint64, .int8, .int16, .fp16, .fp32, .fp64, .bf16:
            throw .wrongType(name, type)
        }
    }

    private static func check(_ bytes: [UInt8], width: Int, _ count: Int, _ name: String) throws(APIError) {
        guard bytes.count % width == 0, bytes.count / width == count else {
            throw .invalid(
                name, code: "invalid_shape",
                "\(name) has \(bytes.count) bytes of data, but its shape asks for \(count) elements of \(width).")
        }
    }

    private static func integers(_ bytes: [UInt8], width: Int) -> [UInt64] {
        stride(from: 0, to: bytes.count, by: width).map { start in
            bytes[start..<start + width].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
    }

    private static func texts(_ bytes: [UInt8], _ count: Int, _ name: String) throws(APIError) -> [String] {
        var texts: [String] = []
        var at = 0
        while at < bytes.count {
            let left = bytes.count - at
            guard left >= 4 else {
                throw .invalid(
                    name, code: "truncated", "\(name)[\(texts.count)] ends in the middle of its length: \(left) bytes.")
            }
            let length = Int(integers(Array(bytes[at..<at + 4]), width: 4)[0])
            guard length <= left - 4 else {
                throw .invalid(
                    name, code: "truncated",
                    "\(name)[\(texts.count)] says it has \(length) bytes, but \(left - 4) are left.")
            }
            guard let text = String(validating: bytes[at + 4..<at + 4 + length], as: UTF8.self) else {
                throw .notText(name, texts.count)
            }
            texts.append(text)
            at += 4 + length
            guard texts.count <= count else { break }
        }
        guard texts.count == count, at == bytes.count else {
            let came = texts.count > count ? "more than \(count)" : "\(texts.count)"
            throw .invalid(
                name, code: "invalid_shape", "\(name) has \(came) elements, but its shape asks for \(count).")
        }
        return texts
    }
}

/// Elements in fields of protobuf.
private enum TensorContents {
    static func elements(
        _ contents: WireInferTensorContents, of type: TensorType, count: Int, name: String
    ) throws(APIError) -> TensorElements {
        let fields = [
            ("bool_contents", contents.boolContents.count), ("int_contents", contents.intContents.count),
            ("int64_contents", contents.int64Contents.count), ("uint_contents", contents.uintContents.count),
            ("uint64_contents", contents.uint64Contents.count), ("fp32_contents", contents.fp32Contents.count),
            ("fp64_contents", contents.fp64Contents.count), ("bytes_contents", contents.bytesContents.count),
        ]
        let field =
            switch type {
            case .bool: "bool_contents"
            case .int32: "int_contents"
            case .int64: "int64_contents"
            case .bytes: "bytes_contents"
            case .uint8, .uint16, .uint32, .uint64, .int8, .int16, .fp16, .fp32, .fp64, .bf16:
                throw APIError.wrongType(name, type)
            }
        for (other, came) in fields where came > 0 && other != field {
            throw .invalid(
                name, code: "invalid_contents", "\(name) is \(type.rawValue) and belongs in \(field), not in \(other).")
        }
        let came = fields.first { $0.0 == field }?.1 ?? 0
        guard came == count else { throw .wrongCount(name, count, came: came, of: "elements in \(field)") }
        switch type {
        case .bool: return .bools(contents.boolContents)
        case .int32: return .integers(contents.intContents.map { Int64($0) })
        case .int64: return .integers(contents.int64Contents)
        default: return .texts(try texts(contents, name))
        }
    }

    private static func texts(_ contents: WireInferTensorContents, _ name: String) throws(APIError) -> [String] {
        var texts: [String] = []
        for bytes in contents.bytesContents {
            guard let text = String(validating: bytes, as: UTF8.self) else { throw .notText(name, texts.count) }
            texts.append(text)
        }
        return texts
    }
}
