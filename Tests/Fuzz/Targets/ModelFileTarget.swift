import Models
import Text
import Weights

/// Files that come with models: looked at as far as `apus inspect` does, which is all that happens before memory is
/// taken for weights.
enum ModelFileTarget {
    static func gguf(_ bytes: [UInt8]) -> String? {
        guard let memory = MemoryFile.shared, memory.write(bytes) else { return "there is no file in memory" }
        if let file = try? GGUFFile(path: memory.path) {
            for key in file.metadata.keys {
                _ = file.metadata.summary(key)
                _ = try? file.metadata.strings(key)
                _ = try? file.metadata.ints(key)
                _ = try? file.metadata.floats(key)
            }
            for tensor in file.tensors {
                guard file.bytes(of: tensor).count == tensor.byteCount else { return "\(tensor.name) is cut short" }
                // Formats as they are stored; sizes that a short file can have.
                if tensor.byteCount <= 4096 { _ = file.values(of: tensor) }
            }
            _ = try? ModelSpec(file)
        }
        guard let model = try? ModelFile(path: memory.path) else { return nil }
        _ = try? model.memoryUse(
            TransformerOptions(threadCount: 1), MachineLimits(cpuCount: 1, availableMemory: 1 << 32))
        guard let spec = try? model.tokenizer(), let tokenizer = try? Tokenizer(spec) else { return nil }
        _ = tokenizer.decode(
            tokenizer.encode("Hello, 世界 12 <s>", parsesSpecialTokens: true, addsBOS: true), skipsSpecialTokens: false)
        return nil
    }

    static func safetensors(_ bytes: [UInt8]) -> String? {
        guard let memory = MemoryFile.shared, memory.write(bytes) else { return "there is no file in memory" }
        guard let file = try? SafetensorsFile(path: memory.path) else { return nil }
        for (name, tensor) in file.tensors {
            guard file.bytes(of: tensor).count == tensor.byteCount else { return "\(name) is cut short" }
            if tensor.byteCount <= 4096 { _ = file.values(of: tensor) }
        }
        return nil
    }
}
