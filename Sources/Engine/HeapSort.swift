extension Array {
    /// Sorts without memory of its own, which the library's sort takes from 64 elements on. Not stable: for orders in which
    /// no two elements are equal.
    /// Cost: O(n log n) (heapsort, Williams 1964).
    mutating func sortInPlace(by isBefore: (Element, Element) -> Bool) {
        for place in stride(from: count / 2 - 1, through: 0, by: -1) { sink(place, count, isBefore) }
        for end in stride(from: count - 1, to: 0, by: -1) {
            swapAt(0, end)
            sink(0, end, isBefore)
        }
    }

    /// Lets the element at `place` down the heap of the first `end` elements, whose last in order is on top.
    private mutating func sink(_ place: Int, _ end: Int, _ isBefore: (Element, Element) -> Bool) {
        var place = place
        while 2 * place + 1 < end {
            var child = 2 * place + 1
            if child + 1 < end, isBefore(self[child], self[child + 1]) { child += 1 }
            guard isBefore(self[place], self[child]) else { return }
            swapAt(place, child)
            place = child
        }
    }
}
