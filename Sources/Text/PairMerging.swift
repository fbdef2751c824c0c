import Inference

/// Merges neighbours, best first and leftmost among equals, until no pair is known: the loop that byte-pair encoding and
/// SentencePiece share. Near-linear: a linked list and a heap, so that a long word costs no more than its length.
struct PairMerging {
    struct Piece {
        /// Where it begins in the word; it ends where the next one begins.
        var start: Int32
        /// -1 for a piece that is no token (SentencePiece's unknown characters).
        var token: TokenID
    }

    /// What two neighbours become; lower `cost` goes first.
    struct Merge {
        var cost: UInt32
        /// -1 for nothing.
        var token: TokenID

        static let none = Merge(cost: .max, token: -1)
    }

    private static let gone: Int32 = -2
    private static let none: Int32 = -1

    /// A piece, and what concerns it and its next one.
    private struct Node {
        var piece: Piece
        /// Indices of neighbours, `none` at the ends; `next` is `gone` for a piece that was merged into another.
        var next: Int32
        var previous: Int32
        /// What it and the next become; a token of -1 when nothing.
        var merge: Merge
    }

    private var nodes: [Node]
    private let end: Int32
    /// Costs above indices, the smallest first. A merge that has changed since leaves its old entry behind.
    private var heap: [UInt64] = []

    /// - Parameters:
    ///   - start: the word's smallest pieces in order; fewer than 2³¹.
    ///   - end: where the last piece ends.
    ///   - merge: what two neighbours become, or nil; gets both pieces and where the second ends.
    /// - Returns: the pieces that are left, in order.
    static func run(
        _ start: [Piece], end: Int32, merge: (Piece, Piece, Int32) -> Merge?
    ) -> [Piece] {
        var merging = PairMerging(start, end: end)
        for index in start.indices.dropLast() { merging.look(at: index, merge) }
        merging.heapify()
        while let index = merging.pop() { merging.apply(at: index, merge) }
        return merging.nodes.lazy.filter { $0.next != gone }.map(\.piece)
    }

    private init(_ start: [Piece], end: Int32) {
        let count = Int32(truncatingIfNeeded: start.count)
        nodes = zip(start, 0..<count).map { piece, index in
            Node(
                piece: piece, next: index + 1 < count ? index + 1 : Self.none, previous: index - 1,
                merge: .none)
        }
        self.end = end
        heap.reserveCapacity(start.count)
    }

    /// Looks up what the piece and its next one become; appends to the heap without ordering it.
    private mutating func look(at index: Int, _ merge: (Piece, Piece, Int32) -> Merge?) {
        nodes[index].merge.token = -1
        let right = Int(nodes[index].next)
        guard right >= 0 else { return }
        let after = Int(nodes[right].next)
        let end = after >= 0 ? nodes[after].piece.start : end
        guard let found = merge(nodes[index].piece, nodes[right].piece, end) else { return }
        nodes[index].merge = found
        heap.append(UInt64(found.cost) << 32 | UInt64(index))
    }

    private mutating func apply(at index: Int, _ merge: (Piece, Piece, Int32) -> Merge?) {
        let right = Int(nodes[index].next)
        let after = nodes[right].next
        nodes[index].piece.token = nodes[index].merge.token
        nodes[index].next = after
        nodes[right].next = Self.gone
        if after >= 0 { nodes[Int(after)].previous = Int32(truncatingIfNeeded: index) }
        lookAgain(at: index, merge)
        let previous = Int(nodes[index].previous)
        if previous >= 0 { lookAgain(at: previous, merge) }
    }

    private mutating func lookAgain(at index: Int, _ merge: (Piece, Piece, Int32) -> Merge?) {
        let count = heap.count
        look(at: index, merge)
        if heap.count > count { siftUp(count) }
    }

    /// - Returns: the piece whose merge is next.
    private mutating func pop() -> Int? {
        while let first = heap.first, let last = heap.popLast() {
            if !heap.isEmpty {
                heap[0] = last
                siftDown(0)
            }
            let index = Int(truncatingIfNeeded: first & 0xFFFF_FFFF)
            let node = nodes[index]
            if node.next >= 0, node.merge.token >= 0, UInt64(node.merge.cost) == first >> 32 { return index }
        }
        return nil
    }

    // MARK: Heap. Of four children each: flatter, so that a long word's misses the cache less often.

    private mutating func heapify() {
        guard heap.count > 1 else { return }
        for parent in (0...(heap.count - 2) / 4).reversed() { siftDown(parent) }
    }

    private mutating func siftUp(_ start: Int) {
        let entry = heap[start]
        var child = start
        while child > 0, entry < heap[(child - 1) / 4] {
            heap[child] = heap[(child - 1) / 4]
            child = (child - 1) / 4
        }
        heap[child] = entry
    }

    private mutating func siftDown(_ start: Int) {
        let entry = heap[start]
        var parent = start
        while 4 * parent + 1 < heap.count {
            var child = 4 * parent + 1
            for other in child + 1..<min(child + 4, heap.count) where heap[other] < heap[child] { child = other }
            guard heap[child] < entry else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = entry
    }
}
