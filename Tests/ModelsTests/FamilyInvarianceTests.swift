import Inference
import Models
import TestSupport
import Testing
import Weights

/// What InvarianceTests shows of one model, of every family: also over windows that end inside a context, and experts
/// that a row shares with rows of other sequences.
@Suite struct FamilyInvarianceTests {
    static let families = ["gemma2", "gemma3", "phi3", "gpt2", "qwen3", "qwen3moe"]

    @Test(arguments: families, [GGUFTensorType.f32, .q8_0])
    func `chunks, company, pages and threads change no bit`(family: String, type: GGUFTensorType) throws {
        var random = RandomModel.family(family)
        (random.type, random.contextLength) = (type, 2048)
        if random.window != nil { random.window = (50, 2) }
        if family == "qwen3moe" { random.experts = (24, 4) }
        let source = try TemporaryFile(random.writer().bytes())
        let length = family == "gemma2" ? 1200 : 200
        let tokens = InvarianceTests.tokens(3, length).map { $0 % Int32(random.vocabularySize) }
        let other = InvarianceTests.tokens(4, 90).map { $0 % Int32(random.vocabularySize) }
        let ordered = RealModel.pages(for: length)
        let pageCount = ordered.count + 3
        let scattered = Array(ordered.map { $0 + 3 }.reversed())
        let models = try [1, 2, 3].map { threads in
            try Transformer(
                path: source.path,
                options: TransformerOptions(threadCount: threads, kvMemory: .pages(pageCount), stepTokenMax: length))
        }
        let from = length - 12
        let expected = InvarianceTests.bits(models[0], tokens, chunk: length, pages: ordered, from: from)
        #expect(Set(expected).count == 12)

        for model in models {
            for chunk in [1, 7, 64, length] {
                let found = InvarianceTests.bits(model, tokens, chunk: chunk, pages: scattered, from: from)
                #expect(found == expected, "chunks of \(chunk), \(model.plan.threadCount) threads")
            }
            // The last token beside a part of another sequence's prompt, and beside copies of itself.
            let last = StepSlice(
                tokens: [tokens[length - 1]], startPosition: length - 1, pages: scattered, logits: .last)
            let company = StepSlice(tokens: other, startPosition: 0, pages: [0, 1, 2], logits: .none)
            for slices in [[company, last], [last, last, last], [last]] {
                for row in rows(model.execute(slices), model) { #expect(digest(row) == expected.last) }
            }
        }
    }
}
