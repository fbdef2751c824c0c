/// The patterns of an expression's sets of characters, each made once.
struct CharacterSets {
    /// How a character of the text is written: as UTF-8, or escaped as JSON asks.
    let encode: (ScalarSet) -> Pattern
    private var known: [ScalarSet: Pattern] = [:]
    private var classCount = 0

    init(encode: @escaping (ScalarSet) -> Pattern) { self.encode = encode }

    /// - Parameter cursor: behind the set, for the error.
    mutating func pattern(of set: ScalarSet, _ cursor: TextCursor) throws(GrammarError) -> Pattern {
        if let pattern = known[set] { return pattern }
        if set.ranges.count != 1 || set.ranges[0].count > 1 { classCount += 1 }
        guard classCount <= GrammarLimits.classMax else {
            throw cursor.error("more than \(GrammarLimits.classMax) different classes of characters")
        }
        let pattern = encode(set)
        known[set] = pattern
        return pattern
    }
}
