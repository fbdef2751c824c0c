import Inference

/// Arrays of tokens that were used and will be filled again, so that steps need no new ones.
struct SpareTokens: Sendable {
    /// Tokens that a new array has room for: one, and a draft behind it.
    private static let room = DraftPace.limitMax + 1

    private var arrays: [[TokenID]] = []

    /// - Returns: an empty array.
    mutating func take() -> [TokenID] {
        if let array = arrays.popLast() { return array }
        var array: [TokenID] = []
        array.reserveCapacity(Self.room)
        return array
    }

    /// Takes the memory of `tokens`, which is empty then. What someone else still reads stays theirs.
    mutating func keep(_ tokens: inout [TokenID]) {
        guard tokens.capacity > 0 else { return }
        var array: [TokenID] = []
        swap(&array, &tokens)
        array.removeAll(keepingCapacity: true)
        arrays.append(array)
    }
}
