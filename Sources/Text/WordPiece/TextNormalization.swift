/// What happens to a text before WordPiece cuts it: which of BERT's four steps, in their order.
package struct TextNormalization: Equatable, Sendable {
    /// Control characters go, white space of every kind becomes a space.
    package var cleansText: Bool
    /// Each ideograph is a word of its own.
    package var separatesIdeographs: Bool
    /// Letters lose what stands above, below and through them.
    package var stripsAccents: Bool
    package var lowercases: Bool

    package init(
        cleansText: Bool = true, separatesIdeographs: Bool = true, stripsAccents: Bool = true, lowercases: Bool = true
    ) {
        self.cleansText = cleansText
        self.separatesIdeographs = separatesIdeographs
        self.stripsAccents = stripsAccents
        self.lowercases = lowercases
    }
}
