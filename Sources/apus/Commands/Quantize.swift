import ArgumentParser
import Models
import Weights

/// `apus quantize`: a GGUF file of a model, with its matrices in another format.
struct Quantize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a GGUF file of a model, with its matrices in another format.",
        discussion: """
            Tensors of two and more dimensions whose rows are a multiple of 32 are converted, from whatever format they have; \
            vectors and metadata stay. A file that was quantized before loses again: begin with F32, F16 or BF16. Of a folder, \
            the keys and the tokenizer are written too: the file is the model that --quantize makes of the folder.
            """)

    @Argument(help: ArgumentHelp("The model: a GGUF file, or a folder as Hugging Face lays it out.", valueName: "in"))
    var input: String
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
            let write = try command.conversion()
            return { signals in
                let threads = command.threads ?? MachineLimits.current().cpuCount
                guard let report = try write(threads, { signals.wereRaised }) else {
                    throw Sentence(description: "The conversion was stopped.")
                }
                print("\(command.output): \(report)")
            }
        }
    }

    /// Writes the file with so many threads, unless it is told to stop.
    /// - Returns: what was done; nil when it was stopped.
    private typealias Conversion = @Sendable (_ threads: Int, _ isStopped: () -> Bool) throws -> String?

    /// Looks at the model; what is returned writes the file.
    private func conversion() throws -> Conversion {
        guard ModelFile.isFolder(input) else {
            return conversion(of: GGUFConversion(try GGUFFile(path: input), to: to))
        }
        let conversion = try FolderConversion(path: input, to: to)
        return { threads, isStopped in
            guard let byteCount = try conversion.write(to: output, threads: threads, isStopped: isStopped) else {
                return nil
            }
            let changed = conversion.tensors.count { $0.dimensions.count > 1 && $0.type == to.type }
            return "\(changed) of \(conversion.tensors.count) tensors are \(to.type.name), \(byteCount) bytes"
        }
    }

    private func conversion(of conversion: GGUFConversion) -> Conversion {
        { threads, isStopped in
            guard let byteCount = try conversion.write(to: output, threads: threads, isStopped: isStopped) else {
                return nil
            }
            let tensors = conversion.file.tensors
            let changed = tensors.count { conversion.type(of: $0) != $0.type }
            return "\(changed) of \(tensors.count) tensors converted to \(to.type.name), "
                + "\(conversion.file.fileByteCount) bytes became \(byteCount)"
        }
    }
}

extension GGUFConversion.Target: ExpressibleByArgument {}
