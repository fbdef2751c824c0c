import ArgumentParser
import Configuration
import Foundation
import Kernels
import Models
import Weights

/// `apus inspect`: what a model file holds, and what a worker will need for it.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a model file's metadata, tensors, and the memory a worker will need.")

    @Argument(help: ArgumentHelp("The model: a GGUF file, or a folder as Hugging Face lays it out.", valueName: "file"))
    var file: String
    @Option(help: ArgumentHelp("Sequences that run at once.", valueName: "n")) var slots = 32
    @Option(help: ArgumentHelp("Tokens one step computes at most.", valueName: "n")) var stepTokenBudget = 256
    @Option(WorkerKeys.quantize) var quantize: String?
    @Option(WorkerKeys.kvType) var kvType: String?
    @Flag(help: "List every tensor, not only their types.") var tensors = false

    func validate() throws {
        guard (1...1024).contains(slots) else { throw ValidationError("--slots must be from 1 to 1024.") }
        guard (1...8192).contains(stepTokenBudget) else {
            throw ValidationError("--step-token-budget must be from 1 to 8192.")
        }
    }

    func run() throws {
        let command = self
        try Program.run {
            let quantization = try WeightQuantization.named(byFlag: command.quantize)
            if !ModelFile.isFolder(command.file) { command.show(try GGUFFile(path: command.file)) }
            command.showMemory(quantization, try KVType.named(byFlag: command.kvType))
            return { _ in }
        }
    }

    private func show(_ file: GGUFFile) {
        print("\(file.path): GGUF version \(file.version), \(file.fileByteCount) bytes\n\nMetadata")
        for key in file.metadata.keys { print("  \(key) = \(file.metadata.summary(key) ?? "")") }
        show(file.tensors)
    }

    private func show(_ folder: SafetensorsShards) {
        for file in folder.files { print(file.path) }
        show(folder.names.compactMap { folder.tensor(named: $0) }.sorted { $0.name < $1.name })
    }

    private func show(_ all: [GGUFTensor]) {
        print("\n\(all.count) tensors")
        if tensors {
            for tensor in all {
                let shape = tensor.dimensions.map { String($0) }.joined(separator: " x ")
                print("  \(tensor.name): \(tensor.type.name), \(shape), \(tensor.byteCount) bytes")
            }
        } else {
            let byType = Dictionary(grouping: all, by: \.type.name)
            for (type, tensors) in byType.sorted(by: { $0.key < $1.key }) {
                print("  \(tensors.count) in \(type), \(tensors.reduce(0) { $0 + $1.byteCount }) bytes")
            }
        }
    }

    /// What does not fit or is not supported is an answer here, not a failure.
    private func showMemory(_ quantization: WeightQuantization?, _ kvType: KVType) {
        let model = Result { try ModelFile(path: file) }
        if case .success(.decoder(let file)) = model, case .folder(_, let shards) = file.source { show(shards) }
        print("\nA worker with \(slots) slots needs")
        let options = TransformerOptions(
            kvMemory: .sequences(slots, share: 1), kvType: kvType, stepTokenMax: stepTokenBudget,
            quantization: quantization)
        let limits = MachineLimits(cpuCount: 1, availableMemory: nil)
        func mebibytes(_ count: Int) -> String { "\((count + (1 << 20) - 1) >> 20) MiB" }
        do {
            switch try model.get() {
            case .decoder(let file):
                let plan = try MemoryPlan(file.spec, file.tensors, options: options, limits: limits)
                print("  \(mebibytes(plan.weightByteCount)) for weights")
                print(
                    "  \(mebibytes(plan.kvByteCount)) for KV pages, so that every slot can hold "
                        + "\(plan.contextLength) tokens")
                print(
                    "    (\(plan.kvPageByteCount) bytes for each page of \(plan.pageTokenCount) tokens; "
                        + "fewer pages will do)")
                print("  \(mebibytes(plan.activationByteCount)) for activations")
                print("  \(mebibytes(plan.totalByteCount)) in all")
            case .encoder(let file):
                let plan = try EncoderPlan(file, options: options, limits: limits)
                print("  \(mebibytes(plan.weightByteCount)) for weights")
                print("  \(mebibytes(plan.activationByteCount)) for activations, and no KV pages")
                print("  \(mebibytes(plan.totalByteCount)) in all, for texts of up to \(plan.contextLength) tokens")
            }
        } catch {
            print("  nothing, for it cannot serve this file: \(error)")
        }
    }
}
