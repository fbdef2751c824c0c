import Inference
import Weights
import Kernels

/// The forward pass of every supported model: a stack of blocks described by a ``ModelSpec``.
///
/// Owns weights, KV pages and all memory of a step; `execute` allocates nothing. Belongs to one thread; its
/// helpers work only while `execute` runs.
package final class Transformer: ModelRuntime {
    package let description: ModelDescription
    package let spec: ModelSpec
    package let plan: MemoryPlan
    private let layout: StepLayout
    private let weights: PackedWeights
    private let kvArena: MemoryArena
    private let stepArena: MemoryArena
    private let team: ThreadTeam
    /// Everything of a step that no step changes, and what its threads do.
    private let work: StepWork
    private let rotaries: [RotaryTable]
    private var embedding: EmbeddingTable
    /// Nil where positions turn.
    private var positions: EmbeddingTable?
    private var input: StepInput

    /// Loads a model: checks it against the machine, then repacks its weights.
    package convenience init(
        path: String, options: TransformerOptions = TransformerOptions(), limits: MachineLimits = .current()
    ) throws(ModelError) {
        try self.init(try DecoderFile(path: path), options: options, limits: limits)
    }

    package init(_ file: DecoderFile, options: TransformerOptions, limits: MachineLimits) throws(ModelError) {
        let (spec, tensors) = (file.spec, file.tensors)
        let weightPlan = try WeightPlan(spec, tensors, quantization: options.quantization)
        let plan = try MemoryPlan(spec, weightPlan, options: options, limits: limits)
        self.spec = spec
        self.plan = plan
        embedding = EmbeddingTable(weightPlan.embedding, in: tensors, as: weightPlan.embeddingType)
        if case .learned = spec.positions, let tensor = tensors.tensor(named: TensorName.positions) {
            positions = EmbeddingTable(tensor, in: tensors, as: tensor.type)
        }
        layout = plan.layout
        team = ThreadTeam(threads: plan.threadCount)
        kvArena = try .reserved(byteCount: plan.kvByteCount)
        kvArena.populate(byteCount: KVCache.readyByteCount)
        stepArena = try .reserved(byteCount: layout.byteCount)
        weights = try PackedWeights(spec, weightPlan, tensors, team: team)
        work = StepWork(
            ForwardStep(
                spec: spec, layout: layout, weights: weights,
                kv: KVCache(spec, plan.kvType, arena: kvArena), memory: stepArena.start),
            StageBoard(stageMax: ForwardStep.stageMax(spec), threadCount: team.threadCount),
            vocabularySize: spec.vocabularySize)
        input = StepInput(spec: spec, layout: layout, contextLength: plan.contextLength)
        rotaries = spec.ropes.map { RotaryTable($0, contextLength: plan.contextLength) }
        description = ModelDescription(
            name: options.name ?? spec.name ?? spec.architecture, architecture: spec.architecture,
            numericsID: Self.numericsID(
                file, plan, weightPlan.isConverted ? options.quantization : nil,
                isLong: spec.ropes.contains { $0.isLong(plan.contextLength) }),
            vocabularySize: spec.vocabularySize,
            contextLength: plan.contextLength, pageTokenCount: plan.pageTokenCount, pageCount: plan.pageCount,
            stepTokenMax: plan.stepTokenMax)
    }

    /// Equal ids give equal bits: all that decides them is in it.
    private static func numericsID(
        _ file: DecoderFile, _ plan: MemoryPlan, _ quantization: WeightQuantization?, isLong: Bool
    ) -> String {
        "\(file.digest())-\(Kernels.family)-p\(plan.pageTokenCount)-\(plan.kvType.rawValue)"
            + (quantization.map { "-\($0.rawValue)" } ?? "") + (isLong ? "-long" : "")
    }

    package var threadCount: Int { team.threadCount }
    package var pulse: Pulse? { work.pulse }

    package func execute(_ slices: [StepSlice]) -> UnsafeBufferPointer<Float> {
        run(slices, for: nil)
        return closeRows()
    }

    package func execute(_ slices: [StepSlice], for reader: any RowReader) -> StepRows {
        run(slices, for: reader)
        return work.logits(count: input.logitRows.count)
    }

    private func run(_ slices: [StepSlice], for reader: (any RowReader)?) {
        input.read(
            slices, spec: spec, pageCount: plan.pageCount, rowMax: plan.stepTokenMax,
            layout: layout)
        input.withPointers { rows in
            embed(rows)
            work.run(rows, on: team, sliceCount: slices.count, for: reader)
        }
    }

    /// Writes each row's token embedding, as it enters the first block, and rotary angles.
    private func embed(_ rows: StepInput.Pointers) {
        let (step, sizes) = (work.step, work.step.spec)
        for row in 0..<rows.rowCount {
            let (values, position) = (step.residual + row * sizes.width, Int(rows.positions[row]))
            embedding.look(up: Int(rows.tokens[row]), into: values)
            if spec.embeddingScale != 1 {
                for index in 0..<sizes.width { values[index] *= spec.embeddingScale }
            }
            if positions != nil {
                positions?.look(up: position, into: step.branch)
                Kernels.add(values, step.branch, count: sizes.width)
            }
            for (index, rotary) in rotaries.enumerated() {
                rotary.write(
                    position: position,
                    into: step.ropeTable + (index * layout.rowMax + row) * sizes.ropeDimensionCount)
            }
        }
    }

    /// Takes the padding of the last panel out of the rows.
    private func closeRows() -> UnsafeBufferPointer<Float> {
        let (step, count, size) = (work.step, input.logitRows.count, spec.vocabularySize)
        if layout.logitStride != size {
            for row in 1..<max(1, count) {
                (step.logits + row * size).update(from: step.logits + row * layout.logitStride, count: size)
            }
        }
        return UnsafeBufferPointer(start: step.logits, count: count * size)
    }
}
