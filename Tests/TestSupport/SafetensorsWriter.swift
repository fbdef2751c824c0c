package import Foundation

/// Writes safetensors files for tests.
package struct SafetensorsWriter {
    package struct Tensor {
        package var name: String
        /// From the outermost.
        package var shape: [Int]
        /// The format's word for it.
        package var type: String
        package var bytes: [UInt8]

        package init(_ name: String, _ shape: [Int], type: String, _ bytes: [UInt8]) {
            (self.name, self.shape, self.type, self.bytes) = (name, shape, type, bytes)
        }

        package init(_ name: String, _ shape: [Int], floats: [Float]) {
            self.init(name, shape, type: "F32", floats.flatMap { GGUFWriter.little($0.bitPattern) })
        }
    }

    package var tensors: [Tensor]

    package init(_ tensors: [Tensor]) {
        self.tensors = tensors
    }

    package func data() throws -> Data {
        var (header, data): ([String: Any], [UInt8]) = (["__metadata__": ["format": "pt"]], [])
        for tensor in tensors {
            header[tensor.name] = [
                "dtype": tensor.type, "shape": tensor.shape,
                "data_offsets": [data.count, data.count + tensor.bytes.count],
            ]
            data += tensor.bytes
        }
        let text = try JSONSerialization.data(withJSONObject: header, options: .sortedKeys)
        return Data(GGUFWriter.little(UInt64(text.count)) + Array(text) + data)
    }

    /// Writes the tensors to a folder: as one file, or spread over several with an index beside them.
    /// - Parameter shardCount: 0 is one file without an index.
    package func write(to folder: TemporaryFolder, shardCount: Int = 0) throws {
        guard shardCount > 0 else { return try folder.write("model.safetensors", data()) }
        var map: [String: String] = [:]
        for shard in 0..<shardCount {
            let name = "model-\(shard).safetensors"
            let own = tensors.indices.filter { $0 % shardCount == shard }.map { tensors[$0] }
            for tensor in own { map[tensor.name] = name }
            try folder.write(name, SafetensorsWriter(own).data())
        }
        try folder.write("model.safetensors.index.json", json: ["weight_map": map])
    }
}
