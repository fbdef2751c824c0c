/// Why a tokenizer cannot be made from its data.
package enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The sentence says what is wrong with the tokenizer's data.
    case malformed(String)
    case unsupportedPreTokenizer(String, supported: [String])

    package var description: String {
        switch self {
        case .malformed(let reason): "The model's tokenizer cannot be used: \(reason)."
        case .unsupportedPreTokenizer(let name, let supported):
            "The model's pre-tokenizer \"\(name)\" is not supported; supported are \(supported.joined(separator: ", "))."
        }
    }
}
