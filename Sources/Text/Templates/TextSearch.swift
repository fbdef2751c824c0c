/// Finds a part in a text in linear time, whatever both are. Source: Knuth, Morris and Pratt, 1977.
struct TextSearch {
    private let part: [UInt8]
    /// For each length of a match so far: how much of it still counts when the next byte does not fit.
    private let fallbacks: [Int]

    init(_ part: [UInt8]) {
        self.part = part
        var fallbacks = Array(repeating: 0, count: part.count)
        var length = 0
        for index in part.indices.dropFirst() {
            while length > 0, part[index] != part[length] { length = fallbacks[length - 1] }
            if part[index] == part[length] { length += 1 }
            fallbacks[index] = length
        }
        self.fallbacks = fallbacks
    }

    /// Index where the first occurrence begins.
    func first(in text: ArraySlice<UInt8>) -> Int? {
        guard !part.isEmpty else { return text.startIndex }
        var length = 0
        for index in text.indices {
            while length > 0, text[index] != part[length] { length = fallbacks[length - 1] }
            if text[index] == part[length] { length += 1 }
            if length == part.count { return index + 1 - length }
        }
        return nil
    }

    /// Where occurrences begin that do not overlap, at most `limit`. Empty for an empty part.
    func all(in text: [UInt8], limit: Int = .max) -> [Int] {
        var found: [Int] = []
        guard !part.isEmpty else { return found }
        var start = 0
        while found.count < limit, let next = first(in: text[start...]) {
            found.append(next)
            start = next + part.count
        }
        return found
    }
}
