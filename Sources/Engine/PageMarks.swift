/// Counts pages that are in several tables once.
struct PageMarks {
    /// The count that last met each page.
    private var marks: [UInt32]
    private var round: UInt32 = 0

    init(pageCount: Int) { marks = Array(repeating: 0, count: pageCount) }

    /// Pages in the tables of those sequences that are counted.
    mutating func count(_ sequences: [RunningSequence], where isCounted: (SequenceKey) -> Bool) -> Int {
        if round == .max { self = PageMarks(pageCount: marks.count) }
        round += 1
        var count = 0
        for place in sequences.indices where isCounted(sequences[place].key) {
            for page in sequences[place].pages.pages where marks[Int(page)] != round {
                marks[Int(page)] = round
                count += 1
            }
        }
        return count
    }
}
