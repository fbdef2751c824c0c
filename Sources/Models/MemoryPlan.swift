package import Weights
package import Kernels

/// How much memory a worker will take for a model: from the file's header and the options, without loading anything.
package struct MemoryPlan: Equatable, Sendable {
    /// Weights as repacked at load.
    package let weightByteCount: Int
    /// One page of the KV cache, all layers.
    package let kvPageByteCount: Int
    package let kvType: KVType
    /// Tokens a page holds.
    package let pageTokenCount: Int
    package let pageCount: Int
    /// Activations, logits and scratch of the largest step.
    package var activationByteCount: Int { layout.byteCount }
    let layout: StepLayout
    /// Tokens a sequence may have: what the options ask for, within the model and the pages.
    package let contextLength: Int
    package let stepTokenMax: Int
    package let threadCount: Int

    package var kvByteCount: Int { kvPageByteCount * pageCount }
    package var totalByteCount: Int { weightByteCount + kvByteCount + activationByteCount }

    /// Fails with ``ModelError/tooLittleMemory(_:)`` when the machine has less than the model and its KV cache need.
    package init(
        _ spec: ModelSpec, _ file: any TensorFile, options: TransformerOptions, limits: MachineLimits
    ) throws(ModelError) {
        let weights = try WeightPlan(spec, file, quantization: options.quantization)
        try self.init(spec, weights, options: options, limits: limits)
    }

    init(
        _ spec: ModelSpec, _ weights: WeightPlan, options: TransformerOptions, limits: MachineLimits
    ) throws(ModelError) {
        threadCount = min(max(1, options.threadCount ?? limits.cpuCount), 256)
        stepTokenMax = min(max(1, options.stepTokenMax), 8192)
        pageTokenCount = Kernels.pageTokenCount
        kvType = options.kvType
        weightByteCount = weights.byteCount
        kvPageByteCount =
            spec.layerCount * spec.kvHeadCount
            * Kernels.pageHeadByteCount(options.kvType, headDimension: spec.headDimension)
        let asked = max(1, options.contextLength ?? spec.contextLength)
        layout = StepLayout(
            spec, weights, rowMax: stepTokenMax, threadCount: threadCount, contextLength: min(asked, 1 << 20))

        if let wanted = options.contextLength, wanted > spec.contextLength {
            throw .unsupported(
                "A context-length of \(wanted) is more than the \(spec.contextLength) tokens the model was trained for."
            )
        }
        let pagesPerSequence = (asked + pageTokenCount - 1) / pageTokenCount
        let fixed = weightByteCount + layout.byteCount
        let left = limits.availableMemory.map { max(0, $0 - fixed) }
        let pageByteCount = kvPageByteCount
        let wanted: Int
        switch options.kvMemory {
        case .pages(let count): wanted = count
        case .bytes(let count): wanted = count / kvPageByteCount
        case .sequences(let count, let share):
            let enough = min(max(1, count), 65_536) * pagesPerSequence
            let affordable = left.map { Int(Double($0) * min(max(share, 0), 1)) / pageByteCount }
            wanted = min(enough, affordable ?? enough)
        }
        pageCount = min(max(1, wanted), 1 << 24)
        contextLength = min(asked, pageCount * pageTokenCount)

        let kvByteCount = pageCount * kvPageByteCount
        if let available = limits.availableMemory, fixed + kvByteCount > available {
            throw .tooLittleMemory(
                MemoryShortage(
                    weightByteCount: weightByteCount, kvByteCount: kvByteCount,
                    activationByteCount: activationByteCount, kvPageByteCount: kvPageByteCount,
                    availableByteCount: available, source: limits.memorySource, sharerCount: limits.sharerCount))
        }
    }
}

/// Why a model does not fit, with the numbers to change.
package struct MemoryShortage: Equatable, Sendable, CustomStringConvertible {
    package let weightByteCount: Int
    package let kvByteCount: Int
    package let activationByteCount: Int
    package let kvPageByteCount: Int
    package let availableByteCount: Int
    package let source: MachineLimits.MemorySource
    /// `availableByteCount` is the part of one of so many workers.
    package let sharerCount: Int

    package var description: String {
        let needed = weightByteCount + kvByteCount + activationByteCount
        let room =
            switch source {
            case .machine: "this machine has \(ByteText.mebibytes(availableByteCount)) available"
            case .controlGroup(let limit):
                "\(ByteText.mebibytes(availableByteCount)) are left of the control group's limit of "
                    + ByteText.mebibytes(limit)
            }
        let part = sharerCount > 1 ? " for each of \(sharerCount) workers" : ""
        let left = availableByteCount - weightByteCount - activationByteCount
        let advice =
            left >= kvPageByteCount
            ? "set kv-memory to at most \(left >> 20) MiB, or give it more memory"
            : "give it at least \(ByteText.mebibytes(needed))\(part), or lower step-token-budget"
        return
            "The model needs \(ByteText.mebibytes(needed)) of memory (weights \(ByteText.mebibytes(weightByteCount)), "
            + "KV cache \(ByteText.mebibytes(kvByteCount)), activations \(ByteText.mebibytes(activationByteCount))), "
            + "but \(room)\(part): \(advice)."
    }
}
