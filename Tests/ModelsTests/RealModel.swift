import Foundation
import Inference
import Kernels
import Models
import Testing

/// The default model, and the reference values that were computed along its own paths.
enum RealModel {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static let path =
        ProcessInfo.processInfo.environment["APUS_TEST_MODEL"]
        ?? root.appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path

    static func load(
        threads: Int, pageCount: Int = 64, stepTokenMax: Int = 512
    ) throws -> Transformer {
        try #require(
            FileManager.default.fileExists(atPath: path),
            "The default model is missing at \(path): run `make model`, or set APUS_TEST_MODEL.")
        return try Transformer(
            path: path,
            options: TransformerOptions(
                threadCount: threads, kvMemory: .pages(pageCount), stepTokenMax: stepTokenMax))
    }

    /// One prompt with the path that an exact forward pass was asked along.
    struct Reference: Decodable, Sendable {
        struct Generated: Decodable, Sendable {
            var ids: [Int32]
            var stopped_by: String
        }

        struct Alternative: Decodable, Sendable {
            var token: Int32
            var logprob: Double

            init(from decoder: any Decoder) throws {
                var values = try decoder.unkeyedContainer()
                token = try values.decode(Int32.self)
                logprob = try values.decode(Double.self)
            }
        }

        var ids: [Int32]
        var q4_1: Generated
        /// At each position of the path: the ten likeliest next tokens.
        var exact_top10: [[Alternative]]
    }

    static func references(_ name: String) throws -> [String: Reference] {
        let url = root.appending(path: "Tests/Fixtures/reference/\(name).json")
        return try JSONDecoder().decode([String: Reference].self, from: Data(contentsOf: url))
    }

    /// Pages 0 ..< enough for `tokenCount` tokens.
    static func pages(for tokenCount: Int, from first: Int = 0) -> [Int32] {
        (0..<(tokenCount + 31) / 32).map { Int32(first + $0) }
    }
}

/// Rows of logits as arrays.
func rows(_ logits: UnsafeBufferPointer<Float>, _ model: some ModelRuntime) -> [[Float]] {
    let size = model.description.vocabularySize
    return (0..<logits.count / size).map { Array(logits[$0 * size..<($0 + 1) * size]) }
}

func logSumExp(_ row: [Float]) -> Double {
    row.withUnsafeBufferPointer { row in
        let most = Kernels.max(row)
        return Double(most) + log(Kernels.sumExp(row, max: most))
    }
}

func argmax(_ row: [Float]) -> Int32 {
    row.withUnsafeBufferPointer { Int32(Kernels.argmax($0)) }
}
