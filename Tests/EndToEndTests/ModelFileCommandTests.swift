import Foundation
import Testing

/// The commands that read model files and serve nothing.
@Suite(.serialized) struct ModelFileCommandTests {
    struct Evaluation: Decodable {
        var model: String
        var tokens: Int
        var mean_nll: Double
        var perplexity: Double
        var seconds: Double
    }

    static let folder = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString)")
    static let text = ApusProcess.repository.appending(path: "LICENSE").path

    private func evaluate(_ model: String, _ flags: [String] = []) throws -> Evaluation {
        let (status, text) = try ApusProcess.outcome(
            ["eval", model, Self.text, "--context", "128", "--tokens", "300"] + flags)
        #expect(status == 0, "\(text)")
        return try JSONDecoder().decode(Evaluation.self, from: Data(text.utf8))
    }

    @Test func `a converted file foretells a text about as well, and as the same weights quantized at load do`() throws
    {
        try FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: Self.folder) }
        let (half, byte) = (Self.folder.appending(path: "f16.gguf").path, Self.folder.appending(path: "q8_0.gguf").path)
        for (source, target, type) in [(ApusProcess.model, half, "f16"), (half, byte, "q8_0")] {
            let (status, text) = try ApusProcess.outcome(["quantize", source, target, "--to", type])
            #expect(status == 0 && text.contains("converted"), "\(text)")
        }

        let original = try evaluate(ApusProcess.model)
        let loaded = try evaluate(half, ["--quantize", "q8_0"])
        let converted = try evaluate(byte)

        // Two windows of 128 with 64 counted in each, and 44 tokens, too few for half a window.
        #expect(original.tokens == 128)
        #expect(abs(original.perplexity - exp(original.mean_nll)) < 1e-3)
        #expect((0.5..<6).contains(original.mean_nll))
        #expect(abs(converted.mean_nll - original.mean_nll) < 0.02)
        #expect(loaded.mean_nll == converted.mean_nll)
        let (status, text) = try ApusProcess.outcome(["inspect", half, "--quantize", "q8_0"])
        let (_, other) = try ApusProcess.outcome(["inspect", byte])
        #expect(status == 0)
        let memory = text.components(separatedBy: "needs").last
        #expect(memory != nil && memory == other.components(separatedBy: "needs").last)
    }

    @Test(arguments: [
        (["quantize", "MODEL", "MODEL", "--to", "q8_0"], "is the file to be read"),
        (["quantize", "MODEL", "/nowhere/out.gguf", "--to", "q8_0"], "/nowhere/out.gguf: the file cannot be written"),
        (["quantize", "MODEL", "/tmp", "--to", "q8_0"], "not a regular file"),
        (["quantize", "/nowhere/in.gguf", "/tmp/out.gguf", "--to", "q8_0"], "/nowhere/in.gguf"),
        (["quantize", "MODEL", "/tmp/out.gguf", "--to", "q3_x"], "q8_0"),
        (["eval", "MODEL", "/nowhere/text.txt"], "there is no file to be read"),
        (["eval", "MODEL", "MODEL"], "not UTF-8"),
        (["eval", "MODEL", "TEXT", "--tokens", "3"], "too few"),
        (["eval", "MODEL", "TEXT", "--context", "999999"], "trained for"),
        (["eval", "MODEL", "TEXT", "--quantize", "q5"], "--quantize must be one of none, q8_0, q4_0"),
        (["inspect", "MODEL", "--quantize", "q5"], "--quantize must be one of none, q8_0, q4_0"),
        (["worker", "MODEL", "--quantize", "q5"], "--quantize must be one of none, q8_0, q4_0"),
    ]) func `a mistake is one sentence`(arguments: [String], part: String) throws {
        let (status, text) = try ApusProcess.outcome(
            arguments.map { $0 == "MODEL" ? ApusProcess.model : $0 == "TEXT" ? Self.text : $0 })
        #expect(status != 0)
        #expect(text.contains(part), "\(text)")
        #expect(!text.contains("Fatal error"), "\(text)")
    }
}
