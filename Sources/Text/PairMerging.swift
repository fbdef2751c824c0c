import Inference

/// Merges neighbours, best first and leftmost among equals, until no pair is known: the loop that byte-pair encoding and
/// SentencePiece share. Near-linear: a linked list and a heap, so that a long word costs no more than its length.
struct PairMerging {
    /// A piece of the word; `previous` and `next` are indices, -1 at the ends.
    struct Piece {
        var range: Range<Int>
        /// -1 for a piece that is no token (SentencePiece's unknown characters).
        var token: TokenID
        var previous: Int
        var next: Int
        var isGone = false
    }

    /// What two neighbours become; lower `cost` goes first.
    struct Merge {
        var cost: Double
        var token: TokenID
    }

    private struct Candidate {
        var cost: Double
        var left: Int
        var right: Int
        var token: TokenID
        /// Where the pair ended when it was found: if a side has grown since, the candidate is stale.
        var range: Range<Int>

        func goesBefore(_ other: Candidate) -> Bool {
            cost != other.cost ? cost < other.cost : left < other.left
        }
    }

    private var pieces: [Piece] = []
    private var heap: [Candidate] = []

    /// - Parameters:
    ///   - start: the word's smallest pieces, adjacent and in order.
    ///   - merge: what two neighbours become, or nil.
    /// - Returns: the pieces that are left, in order.
    static func run(
        _ start: [(range: Range<Int>, token: TokenID)], merge: (Piece, Piece) -> Merge?
    ) -> [Piece] {
        var merging = PairMerging()
        merging.pieces = start.enumerated().map { index, piece in
            Piece(
                range: piece.range, token: piece.token, previous: index - 1,
                next: index + 1 < start.count ? index + 1 : -1)
        }
        for index in 0..<max(0, start.count - 1) { merging.propose(index, index + 1, merge) }
        while let best = merging.pop() { merging.apply(best, merge) }
        return merging.pieces.filter { !$0.isGone }
    }

    private mutating func propose(_ left: Int, _ right: Int, _ merge: (Piece, Piece) -> Merge?) {
        guard let found = merge(pieces[left], pieces[right]) else { return }
        push(
            Candidate(
                cost: found.cost, left: left, right: right, token: found.token,
                range: pieces[left].range.lowerBound..<pieces[right].range.upperBound))
    }

    private mutating func apply(_ candidate: Candidate, _ merge: (Piece, Piece) -> Merge?) {
        let (left, right) = (candidate.left, candidate.right)
        guard !pieces[left].isGone, !pieces[right].isGone, pieces[left].next == right,
            pieces[left].range.lowerBound == candidate.range.lowerBound,
            pieces[right].range.upperBound == candidate.range.upperBound
        else { return }
        pieces[left].range = candidate.range
        pieces[left].token = candidate.token
        pieces[left].next = pieces[right].next
        pieces[right].isGone = true
        if pieces[left].next >= 0 {
            pieces[pieces[left].next].previous = left
            propose(left, pieces[left].next, merge)
        }
        if pieces[left].previous >= 0 { propose(pieces[left].previous, left, merge) }
    }

    private mutating func push(_ candidate: Candidate) {
        heap.append(candidate)
        var child = heap.count - 1
        while child > 0, heap[child].goesBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func pop() -> Candidate? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var parent = 0
        while true {
            var best = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].goesBefore(heap[best]) { best = child }
            }
            guard best != parent else { return first }
            heap.swapAt(parent, best)
            parent = best
        }
    }
}
