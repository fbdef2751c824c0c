/// How much memory a worker will take for an encoder: from the file's header and the options, without loading anything.
package struct EncoderPlan: Sendable {
    package let weightByteCount: Int
    /// Tokens of one step, which holds a whole text at least.
    package let stepTokenMax: Int
    package let contextLength: Int
    package let threadCount: Int
    package var activationByteCount: Int { layout.byteCount }
    package var totalByteCount: Int { weightByteCount + activationByteCount }
    let layout: EncoderLayout

    /// Fails with ``ModelError/tooLittleMemory(_:)`` when the machine has less than the model needs.
    package init(
        _ file: EncoderFile, options: TransformerOptions, limits: MachineLimits
    ) throws(ModelError) {
        try self.init(
            file, try EncoderWeightPlan(file, quantization: options.quantization), options: options, limits: limits)
    }

    init(
        _ file: EncoderFile, _ weights: EncoderWeightPlan, options: TransformerOptions, limits: MachineLimits
    ) throws(ModelError) {
        let spec = file.spec
        if let wanted = options.contextLength, wanted > spec.contextLength {
            throw .unsupported(
                "A context-length of \(wanted) is more than the \(spec.contextLength) tokens the model was trained for."
            )
        }
        contextLength = max(1, options.contextLength ?? spec.contextLength)
        stepTokenMax = max(contextLength, min(max(1, options.stepTokenMax), 8192))
        threadCount = min(max(1, options.threadCount ?? limits.cpuCount), 256)
        layout = EncoderLayout(spec, weights, rowMax: stepTokenMax, threadCount: threadCount)
        // Beside the panels: the tables of positions and segments, as floats.
        weightByteCount = weights.byteCount + (spec.positionCount + spec.segmentCount) * spec.width * 4
        if let available = limits.availableMemory, weightByteCount + layout.byteCount > available {
            throw .tooLittleMemory(
                MemoryShortage(
                    weightByteCount: weightByteCount, kvByteCount: 0, activationByteCount: layout.byteCount,
                    kvPageByteCount: 0, availableByteCount: available, source: limits.memorySource,
                    sharerCount: limits.sharerCount))
        }
    }
}
