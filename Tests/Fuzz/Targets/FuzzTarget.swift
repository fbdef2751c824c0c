/// One way by which strangers' bytes come into Apus.
///
/// Whatever the bytes are, the code behind must end with an answer or an error: a trap ends the process, and what it
/// promises beyond that is looked at by `run`.
package struct FuzzTarget: Sendable, CustomStringConvertible {
    /// Also of the folders that hold its inputs, in `corpus/` and `regressions/`.
    package let name: String
    /// Longer inputs find nothing that shorter ones do not, and cost more.
    package let byteCountMax: Int
    /// Takes one input. Not from two threads at once.
    /// - Returns: which promise was broken, if any.
    package let run: @Sendable (_ bytes: [UInt8]) -> String?

    package var description: String { name }

    package static let all: [FuzzTarget] = [
        FuzzTarget(name: "gguf", byteCountMax: 8192, run: ModelFileTarget.gguf),
        FuzzTarget(name: "safetensors", byteCountMax: 4096, run: ModelFileTarget.safetensors),
        FuzzTarget(name: "http1", byteCountMax: 2048, run: HTTPTarget.http1),
        FuzzTarget(name: "http2", byteCountMax: 4096, run: HTTPTarget.http2),
        FuzzTarget(name: "grpc", byteCountMax: 2048, run: GRPCTarget.run),
        FuzzTarget(name: "link", byteCountMax: 2048, run: LinkTarget.run),
        FuzzTarget(name: "json", byteCountMax: 2048, run: JSONTarget.run),
        FuzzTarget(name: "requests", byteCountMax: 4096, run: RequestTarget.run),
        FuzzTarget(name: "template", byteCountMax: 4096, run: TemplateTarget.run),
        FuzzTarget(name: "grammar", byteCountMax: 2048, run: GrammarTarget.run),
        FuzzTarget(name: "tokenizer", byteCountMax: 2048, run: TokenizerTarget.run),
        FuzzTarget(name: "answer", byteCountMax: 2048, run: AnswerTarget.run),
    ]
}
