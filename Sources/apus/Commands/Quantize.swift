import ArgumentParser
import Models
import Weights

/// `apus quantize`: a model file with its matrices in another format.
struct Quantize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a model file with its matrices in another format.",
        discussion: """
            Tensors of two and more dimensions whose rows are a multiple of 32 are converted, from whatever format they have; \
            vectors and metadata stay. A file that was quantized before loses again: begin with F32, F16 or BF16.
            """)

    @Argument(help: ArgumentHelp("The model: a GGUF file.", valueName: "in")) var input: String
    @Argument(help: ArgumentHelp("The file to write; one that is there is replaced.", valueName: "out"))
    var output: String
    @Option(
        help: ArgumentHelp(
            "The format.", valueName: GGUFConversion.Target.allCases.map(\.rawValue).joined(separator: "|")))
    var to: GGUFConversion.Target
    @Option(help: ArgumentHelp("Threads; without it, the CPUs this process may use.", valueName: "n"))
    var threads: Int?

    func validate() throws {
        guard (1...256).contains(threads ?? 1) else { throw ValidationError("--threads must be from 1 to 256.") }
    }

    func run() throws {
        let command = self
        try Program.run {
            guard !ModelFile.isFolder(command.input) else {
                throw Sentence(
                    description:
                        "\(command.input) is a folder, and GGUF files are what this command reads and writes: serve "
                        + "the folder with --quantize \(command.to.rawValue), which quantizes it when it is loaded.")
            }
            let conversion = GGUFConversion(try GGUFFile(path: command.input), to: command.to)
            return { signals in
                let byteCount = try conversion.write(
                    to: command.output, threads: command.threads ?? MachineLimits.current().cpuCount
                ) { signals.wereRaised }
                guard let byteCount else { throw Sentence(description: "The conversion was stopped.") }
                let tensors = conversion.file.tensors
                let changed = tensors.count { conversion.type(of: $0) != $0.type }
                print(
                    "\(command.output): \(changed) of \(tensors.count) tensors converted to \(command.to.type.name), "
                        + "\(conversion.file.fileByteCount) bytes became \(byteCount)")
            }
        }
    }
}

extension GGUFConversion.Target: ExpressibleByArgument {}
