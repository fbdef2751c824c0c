import FoundationEssentials
import InferenceProtocol
import SwiftProtobuf
import TestSupport
import Testing

@testable import API
import JSON

/// Tensors as they come, and what is no tensor.
@Suite struct TensorTests {
    static func typed(_ change: (inout WireInferTensorContents) -> Void) -> IncomingTensor.Contents {
        var contents = WireInferTensorContents()
        change(&contents)
        return .typed(contents)
    }

    static func integers(_ numbers: [Int64]) -> JSONValue { .array(numbers.map { .integer($0) }) }

    struct Row: Sendable, CustomTestStringConvertible {
        var input: TextInput
        var type: TensorType
        var shape: [Int]
        var contents: IncomingTensor.Contents
        /// Or the code of the refusal, and what it says.
        var elements: TensorElements?
        var code = ""
        var says = ""
        var testDescription: String {
            "\(input.rawValue) \(type.rawValue) \(shape) \(elements.map { "\($0)" } ?? code)"
        }

        var tensor: IncomingTensor {
            IncomingTensor(name: input.rawValue, datatype: type.rawValue, shape: shape, contents: contents)
        }
    }

    static func good(
        _ input: TextInput, _ type: TensorType, _ shape: [Int], _ elements: TensorElements,
        _ contents: IncomingTensor.Contents...
    ) -> [Row] {
        contents.map { Row(input: input, type: type, shape: shape, contents: $0, elements: elements) }
    }

    static let readable: [Row] =
        good(
            .text, .bytes, [2, 1], .texts(["hé", ""]),
            .json(.array([.array([.string("hé")]), .array([.string("")])])),
            .json(.array([.string("hé"), .string("")])),
            .raw([3, 0, 0, 0, 0x68, 0xc3, 0xa9, 0, 0, 0, 0]),
            typed { $0.bytesContents = [Data("hé".utf8), Data()] })
        + good(
            .stream, .bool, [1], .bools([true]), .json(.array([.bool(true)])), .raw([1]),
            typed { $0.boolContents = [true] })
        + good(
            .tokens, .int64, [1, 2], .integers([-2, 0x0102_0304_0506_0708]),
            .json(.array([integers([-2, 0x0102_0304_0506_0708])])),
            .raw([0xfe] + Array(repeating: 0xff, count: 7) + [8, 7, 6, 5, 4, 3, 2, 1]),
            typed { $0.int64Contents = [-2, 0x0102_0304_0506_0708] })
        + good(
            .tokens, .int32, [2], .integers([-2, 0x0102_0304]), .json(integers([-2, 0x0102_0304])),
            .raw([0xfe, 0xff, 0xff, 0xff, 4, 3, 2, 1]), typed { $0.intContents = [-2, 0x0102_0304] })

    @Test(arguments: readable) func `elements are the same in JSON, as bytes and in protobuf`(row: Row) throws {
        let tensor = try row.tensor.read(as: row.input.spec)
        #expect(tensor.elements == row.elements)
        #expect(tensor.shape == row.shape && tensor.type == row.type)
    }

    static func bad(
        _ input: TextInput, _ type: TensorType, _ shape: [Int], _ contents: IncomingTensor.Contents, _ code: String,
        _ says: String
    ) -> Row {
        Row(input: input, type: type, shape: shape, contents: contents, code: code, says: says)
    }

    static let unreadable: [Row] = [
        bad(.text, .bytes, [1], .raw([]), "invalid_shape", "has 0 elements"),
        bad(.text, .bytes, [1], .raw([1, 0, 0]), "truncated", "text_input[0] ends in the middle"),
        bad(.text, .bytes, [1], .raw([2, 0, 0, 0, 0x61]), "truncated", "says it has 2 bytes, but 1"),
        bad(.text, .bytes, [1], .raw([255, 255, 255, 255, 0x61]), "truncated", "4294967295"),
        bad(.text, .bytes, [1], .raw([0, 0, 0, 0, 0, 0, 0, 0]), "invalid_shape", "more than 1"),
        bad(.text, .bytes, [1], .raw([0, 0, 0, 0, 9]), "truncated", "text_input[1]"),
        bad(.text, .bytes, [2], .raw([0, 0, 0, 0]), "invalid_shape", "has 1 elements, but its shape asks for 2"),
        bad(.text, .bytes, [1], .raw([1, 0, 0, 0, 0xff]), "invalid_value", "UTF-8"),
        bad(.text, .bytes, [1], typed { $0.bytesContents = [Data([0xff])] }, "invalid_value", "UTF-8"),
        bad(.text, .bytes, [1], .json(.array([.integer(5)])), "invalid_type", "text_input[0] must be a string"),
        bad(.text, .bytes, [1], .json(.string("x")), "invalid_type", "text_input.data must be a list"),
        bad(.text, .bytes, [2], .json(.array([.string("x")])), "invalid_shape", "1 values in data"),
        bad(.text, .bytes, [1], typed { $0.intContents = [1] }, "invalid_contents", "belongs in bytes_contents"),
        bad(.text, .bytes, [2], typed { $0.bytesContents = [Data()] }, "invalid_shape", "bytes_contents"),
        bad(.text, .bytes, [], .raw([]), "invalid_shape", "1 to 8 dimensions"),
        bad(.text, .bytes, Array(repeating: 1, count: 9), .raw([]), "invalid_shape", "1 to 8 dimensions"),
        bad(.text, .bytes, [0], .raw([]), "invalid_shape", "at least 1"),
        bad(.text, .bytes, [-1], .raw([0, 0, 0, 0]), "invalid_shape", "at least 1"),
        bad(.text, .bytes, [1 << 62, 4], .raw([0, 0, 0, 0]), "invalid_shape", "product"),
        bad(.stream, .bool, [1], .raw([2]), "invalid_value", "has a 2"),
        bad(.stream, .bool, [1], .raw([]), "invalid_shape", "0 bytes"),
        bad(.stream, .bool, [1], .json(.array([.integer(1)])), "invalid_type", "a boolean"),
        bad(.tokens, .int64, [1], .raw(Array(repeating: 0, count: 7)), "invalid_shape", "7 bytes"),
        bad(.tokens, .int64, [1], .raw(Array(repeating: 0, count: 16)), "invalid_shape", "16 bytes"),
        bad(.tokens, .int64, [Int.max], .raw(Array(repeating: 0, count: 8)), "invalid_shape", "elements of 8"),
        bad(.tokens, .int32, [1], .json(integers([1 << 31])), "integer_above_max_value", "input_ids[0]"),
        bad(.tokens, .int32, [1], .json(.array([.double(1.5)])), "invalid_type", "whole"),
        bad(.tokens, .int32, [1], typed { $0.int64Contents = [1] }, "invalid_contents", "int_contents"),
    ]

    @Test(arguments: unreadable) func `what is no tensor of its kind is refused by the input's name`(row: Row) {
        do throws(APIError) {
            let tensor = try row.tensor.read(as: row.input.spec)
            Issue.record("was read as \(tensor)")
        } catch {
            #expect(error.status == 400 && error.code == row.code, "\(error)")
            #expect(error.message.contains(row.says), "\(error.message)")
            #expect(error.message.contains(row.input.rawValue))
        }
    }

    @Test(arguments: TextInput.allCases, TensorType.allCases)
    func `an input has its own datatypes and no others`(input: TextInput, type: TensorType) {
        guard !input.spec.types.contains(type) else { return }
        let tensor = IncomingTensor(
            name: input.rawValue, datatype: type.rawValue, shape: [1], contents: .raw(Array(repeating: 0, count: 8)))
        do throws(APIError) {
            _ = try tensor.read(as: input.spec)
            Issue.record("\(type) was read")
        } catch {
            #expect(error.code == "invalid_datatype" && error.message.contains(type.rawValue), "\(error.message)")
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func `no bytes and no shape can hurt`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2_000 {
            let input = TextInput.allCases[random.below(TextInput.allCases.count)]
            let type = input.spec.types[random.below(input.spec.types.count)]
            let shape = (0..<random.below(4)).map { _ in random.below(5) - (random.below(20) == 0 ? 3 : 0) }
            let bytes = (0..<random.below(40)).map { _ in UInt8(random.below(4) == 0 ? random.below(256) : 0) }
            let tensor = IncomingTensor(
                name: input.rawValue, datatype: type.rawValue, shape: shape, contents: .raw(bytes))
            guard let read = try? tensor.read(as: input.spec) else { continue }
            let count =
                switch read.elements {
                case .bools(let bools): bools.count
                case .integers(let integers): integers.count
                case .floats(let floats): floats.count
                case .texts(let texts): texts.count
                }
            #expect(count == shape.reduce(1, *), "\(tensor)")
        }
    }
}
