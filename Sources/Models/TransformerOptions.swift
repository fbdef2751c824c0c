package import Kernels

/// What the operator decides about a model in memory.
package struct TransformerOptions: Equatable, Sendable {
    /// Memory of the KV cache.
    package enum KVMemory: Equatable, Sendable {
        case pages(Int)
        case bytes(Int)
        /// Enough for so many sequences of full length, but at most this share of the memory that is left.
        case sequences(Int, share: Double)
    }

    /// Name in descriptions; nil takes the file's own.
    package var name: String?
    /// Threads that compute, the caller of `execute` among them; nil takes the CPUs this process may use.
    package var threadCount: Int?
    package var kvMemory: KVMemory
    /// How the KV cache holds numbers: part of the numerics id.
    package var kvType: KVType
    /// Tokens one step may hold at most. Memory for activations and logits grows with it.
    package var stepTokenMax: Int
    /// Tokens a sequence may have; nil takes what the model was trained for; more is refused.
    package var contextLength: Int?
    /// What weights become that the file holds as floats; nil leaves them.
    package var quantization: WeightQuantization?

    package init(
        name: String? = nil, threadCount: Int? = nil, kvMemory: KVMemory = .sequences(32, share: 0.5),
        kvType: KVType = .f16, stepTokenMax: Int = 512, contextLength: Int? = nil,
        quantization: WeightQuantization? = nil
    ) {
        self.name = name
        self.threadCount = threadCount
        self.kvMemory = kvMemory
        self.kvType = kvType
        self.stepTokenMax = stepTokenMax
        self.contextLength = contextLength
        self.quantization = quantization
    }
}
