import Inference
import Serving
import Text

/// A prompt with a text behind it: the answer fills in what stands between them.
enum InfillPrompt {
    /// `suffix`, where it asks for something.
    /// - Throws: where the model has no tokens for that.
    static func suffix(_ fields: FieldReader, model: ServedModel) throws(APIError) -> String? {
        guard let suffix = try fields.string("suffix"), !suffix.isEmpty else { return nil }
        guard model.tokenizer.infill != nil else {
            throw .unsupported(
                "suffix", "the model \(model.name) continues texts and has no tokens for filling in between two")
        }
        return suffix
    }

    static func encode(
        _ prompts: [String], suffix: String, addsBOS: Bool, promptField: String, model: ServedModel
    ) throws(APIError) -> [[TokenID]] {
        for prompt in prompts {
            let (count, overflows) = prompt.utf8.count.addingReportingOverflow(suffix.utf8.count)
            try PreparedGeneration.checkFits(
                byteCount: overflows ? .max : count, promptField: promptField, model: model)
        }
        return prompts.compactMap {
            model.tokenizer.encodeInfill(prefix: $0, suffix: suffix, addsBOS: addsBOS)
        }
    }
}

extension SamplingFields {
    /// Ends the answer where the text that it fills in goes on.
    mutating func endsWithInfill(_ model: ServedModel) {
        // Without the model's own ends `ignore_eos` was asked for.
        guard !model.tokenizer.endTokens.contains(where: { !sampling.stopTokens.contains($0) }) else { return }
        sampling.stopTokens = Set(sampling.stopTokens + model.tokenizer.infillEndTokens).sorted()
    }
}
