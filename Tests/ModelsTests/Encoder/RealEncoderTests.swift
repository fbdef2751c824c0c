import Foundation
import Inference
import Testing
import Text

@testable import Models

/// all-MiniLM-L6-v2 against tokens and vectors that others made of the same texts (Tests/Fixtures/make_bert.py).
@Suite struct RealEncoderTests {
    struct Entry: Decodable {
        var text: String
        var ids: [Int32]
        /// Base64 of little-endian floats.
        var vector: String?

        var numbers: [Float]? {
            guard let data = vector.flatMap({ Data(base64Encoded: $0) }) else { return nil }
            var numbers: [Float] = []
            for start in stride(from: 0, to: data.count, by: 4) {
                var bits: UInt32 = 0
                for byte in data[start..<start + 4].reversed() { bits = bits << 8 | UInt32(byte) }
                numbers.append(Float(bitPattern: bits))
            }
            return numbers
        }
    }

    static func entries() throws -> [Entry] {
        let url = RealModel.root.appending(path: "Tests/Fixtures/reference/embeddings.json")
        return try JSONDecoder().decode([Entry].self, from: Data(contentsOf: url))
    }

    static func path() throws -> String {
        let path = RealModel.root.appending(path: ".models/all-MiniLM-L6-v2").path
        try #require(
            FileManager.default.fileExists(atPath: path),
            "The embedding model is missing at \(path): run `make embedding-model`.")
        return path
    }

    @Test func `every reference text gives the reference's tokens`() throws {
        let tokenizer = try Tokenizer(try ModelFile(path: Self.path()).tokenizer())
        let entries = try Self.entries()
        #expect(entries.count > 400)

        for entry in entries {
            let tokens = tokenizer.encode(entry.text, parsesSpecialTokens: true, addsBOS: true)
            #expect(tokens == entry.ids, "\(entry.text.debugDescription)")
        }
    }

    @Test func `every reference text gives the reference's vector, quantized weights nearly so`() throws {
        let exact = try EncoderTests.load(Self.path(), threads: 2)
        let rough = try EncoderTests.load(Self.path(), threads: 2, quantization: .q8_0)
        let entries = try Self.entries().filter { $0.vector != nil }
        #expect(entries.count > 10)
        let slices = entries.map { EncoderTests.slice($0.ids) }

        let found = zip(EncoderTests.read(exact, slices), EncoderTests.read(rough, slices))
        for (entry, (exact, rough)) in zip(entries, found) {
            let reference = entry.numbers ?? []
            #expect(reference.count == 384)
            func cosine(_ vector: [Float]) -> Double {
                zip(vector, reference).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
            #expect(cosine(exact) > 0.999_999, "\(entry.text.debugDescription)")
            #expect(cosine(rough) > 0.998, "\(entry.text.debugDescription)")
        }
        #expect(exact.description.contextLength == 256)
    }
}
