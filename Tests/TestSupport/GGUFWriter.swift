import Foundation

/// Writes GGUF files for tests, good ones and any kind of bad one.
package struct GGUFWriter {
    package enum Value {
        case uint8(UInt8)
        case int8(Int8)
        case uint32(UInt32)
        case int32(Int32)
        case uint64(UInt64)
        case float(Float)
        case double(Double)
        case bool(UInt8)
        case string(String)
        case strings([String])
        case floats([Float])
        case ints([Int32])
        /// Any type number with any bytes after it.
        case raw(UInt32, [UInt8])
    }

    package struct Tensor {
        package var name: String
        package var dimensions: [UInt64]
        package var type: UInt32
        package var bytes: [UInt8]
        /// Written instead of the true offset.
        package var offset: UInt64?

        package init(name: String, dimensions: [UInt64], type: UInt32, bytes: [UInt8]) {
            self.name = name
            self.dimensions = dimensions
            self.type = type
            self.bytes = bytes
        }
    }

    package var magic: [UInt8] = Array("GGUF".utf8)
    package var version: UInt32 = 3
    package var alignment = 32
    /// Written instead of the true counts.
    package var entryCount: UInt64?
    package var tensorCount: UInt64?
    package var entries: [(key: String, value: Value)] = []
    package var tensors: [Tensor] = []
    /// Follows the last tensor.
    package var trailer: [UInt8] = []

    package init() {}

    package mutating func add(_ name: String, _ dimensions: [Int], type: UInt32, _ bytes: [UInt8]) {
        tensors.append(Tensor(name: name, dimensions: dimensions.map(UInt64.init), type: type, bytes: bytes))
    }

    package mutating func add(_ name: String, _ dimensions: [Int], floats: [Float]) {
        add(name, dimensions, type: 0, floats.flatMap { Self.little($0.bitPattern) })
    }

    package func bytes() -> [UInt8] {
        var out = magic + Self.little(version)
        out += Self.little(tensorCount ?? UInt64(tensors.count)) + Self.little(entryCount ?? UInt64(entries.count))
        for (key, value) in entries { out += Self.text(key) + Self.encoded(value) }
        var offset = 0
        for tensor in tensors {
            out += Self.text(tensor.name) + Self.little(UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { out += Self.little(dimension) }
            out += Self.little(tensor.type) + Self.little(tensor.offset ?? UInt64(offset))
            offset += tensor.bytes.count + padding(tensor.bytes.count)
        }
        guard !tensors.isEmpty else { return out + trailer }
        out += [UInt8](repeating: 0, count: padding(out.count))
        for tensor in tensors { out += tensor.bytes + [UInt8](repeating: 0, count: padding(tensor.bytes.count)) }
        return out + trailer
    }

    private func padding(_ count: Int) -> Int { (alignment - count % alignment) % alignment }

    package static func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    package static func text(_ string: String) -> [UInt8] { little(UInt64(string.utf8.count)) + Array(string.utf8) }

    package static func encoded(_ value: Value) -> [UInt8] {
        switch value {
        case .uint8(let x): little(UInt32(0)) + little(x)
        case .int8(let x): little(UInt32(1)) + little(x)
        case .uint32(let x): little(UInt32(4)) + little(x)
        case .int32(let x): little(UInt32(5)) + little(x)
        case .float(let x): little(UInt32(6)) + little(x.bitPattern)
        case .bool(let x): little(UInt32(7)) + [x]
        case .string(let x): little(UInt32(8)) + text(x)
        case .uint64(let x): little(UInt32(10)) + little(x)
        case .double(let x): little(UInt32(12)) + little(x.bitPattern)
        case .strings(let x): array(8, count: x.count, x.flatMap(text))
        case .floats(let x): array(6, count: x.count, x.flatMap { little($0.bitPattern) })
        case .ints(let x): array(5, count: x.count, x.flatMap { little($0) })
        case .raw(let type, let bytes): little(type) + bytes
        }
    }

    private static func array(_ type: UInt32, count: Int, _ bytes: [UInt8]) -> [UInt8] {
        little(UInt32(9)) + little(type) + little(UInt64(count)) + bytes
    }
}

/// A file that is gone when this is; in memory where the system has such a place.
package final class TemporaryFile {
    package let path: String

    private static let directory = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : "/tmp"

    package init(_ bytes: [UInt8] = []) throws {
        path = "\(Self.directory)/apus-\(UUID().uuidString).gguf"
        try write(bytes)
    }

    package func write(_ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(filePath: path)) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
