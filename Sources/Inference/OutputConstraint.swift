/// What an answer must look like: a text in which only allowed tokens are ever chosen. `Grammar` compiles it.
package struct OutputConstraint: Hashable, Sendable {
    package enum Kind: UInt8, CaseIterable, Sendable {
        /// The source is a JSON Schema; the answer is JSON that it holds for.
        case jsonSchema = 1
        /// The source is a regular expression; it matches the whole answer.
        case regex = 2
        /// The source is a grammar in GBNF, llama.cpp's notation.
        case grammar = 3
        /// The source is a JSON list of strings; the answer is one of them.
        case choice = 4
    }

    package var kind: Kind
    package var source: String

    package init(_ kind: Kind, _ source: String) {
        self.kind = kind
        self.source = source
    }
}
