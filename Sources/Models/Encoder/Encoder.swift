import Inference
import Kernels

/// Reads whole texts: the forward pass of BERT and its like, without KV pages that would outlive a step.
///
/// Owns weights and all memory of a pass; `execute` allocates nothing of size. Belongs to one thread; its helpers work
/// only while `execute` runs.
package final class Encoder: ModelRuntime {
    package let description: ModelDescription
    package let spec: EncoderSpec
    package let plan: EncoderPlan

    private let weights: EncoderWeights
    private let arena: MemoryArena
    private let team: ThreadTeam
    private let board: StageBoard
    private var embedding: EmbeddingTable
    private var pass = EncoderPass()

    /// Loads a model: checks it against the machine, then repacks its weights.
    package init(_ file: EncoderFile, options: TransformerOptions, limits: MachineLimits) throws(ModelError) {
        let weightPlan = try EncoderWeightPlan(file, quantization: options.quantization)
        let plan = try EncoderPlan(file, weightPlan, options: options, limits: limits)
        (self.plan, spec) = (plan, file.spec)
        embedding = EmbeddingTable(weightPlan.embedding, in: file.tensors, as: weightPlan.embeddingType)
        team = ThreadTeam(threads: plan.threadCount)
        board = StageBoard(
            stageMax: EncoderStep.stageMax(layerCount: file.spec.layerCount), threadCount: team.threadCount)
        arena = try .reserved(byteCount: plan.layout.byteCount)
        weights = try EncoderWeights(file, weightPlan, team: team)
        // e1 names what this folder computes beside the kernels.
        let quantized = weightPlan.isConverted ? options.quantization.map { "-\($0.rawValue)" } ?? "" : ""
        description = ModelDescription(
            name: options.name ?? spec.name ?? spec.architecture, architecture: spec.architecture,
            numericsID: "\(file.digest())-\(Kernels.family)-e1\(quantized)", vocabularySize: spec.vocabularySize,
            contextLength: plan.contextLength, pageTokenCount: Kernels.pageTokenCount, pageCount: 0,
            stepTokenMax: plan.stepTokenMax, pooledOutput: spec.output)
    }

    package var threadCount: Int { team.threadCount }
    package var pulse: Pulse? { board.pulse }

    /// Whole texts only: each slice is one.
    /// - Returns: (texts, output count) row-major.
    package func execute(_ slices: [StepSlice]) -> UnsafeBufferPointer<Float> {
        precondition(
            slices.count <= plan.stepTokenMax, "\(slices.count) texts in a step of \(plan.stepTokenMax) tokens")
        let outputs = (arena.start + plan.layout.outputs).assumingMemoryBound(to: Float.self)
        let count = spec.output.count
        var done = 0
        while done < slices.count {
            let taken = pass.read(slices[done...], spec: spec, layout: plan.layout)
            run(into: outputs + done * count)
            done += taken
        }
        return UnsafeBufferPointer(start: outputs, count: slices.count * count)
    }

    private func run(into outputs: UnsafeMutablePointer<Float>) {
        let step = EncoderStep(spec, pass, weights, plan.layout, memory: arena.start)
        step.prepare()
        for (row, place) in pass.rows.enumerated() {
            embedding.look(up: Int(place.token), into: step.stream + row * spec.width)
        }
        board.reset()
        team.run { member in step.run(index: member.index, board.place(member.index)) }
        step.pool(spec.head, into: outputs)
    }
}
