/// The automaton: a network of nodes that calls its rules and counts its loops on a stack.
struct Program: Sendable {
    enum Node: Sendable {
        /// Goes on after any byte of these classes.
        case bytes(ByteSet, next: Int32)
        case split([Int32])
        /// Runs the nodes at `start`, then `next`.
        case call(start: Int32, next: Int32)
        /// Runs `body`, which never is empty, `min` to `max` times, then `next`.
        case loop(body: Int32, min: Int32, max: Int32, next: Int32)
        /// Back to who called; the end of the text where nobody did.
        case end
    }

    static let endNode: Int32 = 0
    /// `max` of a loop without end.
    static let unlimited = Int32.max

    var nodes: [Node] = [.end]
    var start = Program.endNode
    /// Bytes that no node tells apart have one class. (256)
    var classes: [UInt8] = []
    var classCount = 0

    /// Groups bytes by the sets that hold them, and rewrites sets of bytes as sets of classes.
    mutating func classify() {
        var sets: Set<ByteSet> = []
        for case .bytes(let set, _) in nodes { sets.insert(set) }
        var groups = [Int](repeating: 0, count: 256)
        var count = 1
        for set in sets where count < 256 {
            // Each group splits in two at most.
            var split: [Int: Int] = [:]
            var isOutside = [Bool](repeating: false, count: count)
            for byte in 0..<256 where !set.contains(UInt8(byte)) { isOutside[groups[byte]] = true }
            for byte in 0..<256 where set.contains(UInt8(byte)) && isOutside[groups[byte]] {
                let group = groups[byte]
                if split[group] == nil {
                    split[group] = count
                    count += 1
                }
                groups[byte] = split[group] ?? group
            }
        }
        classes = groups.map { UInt8(truncatingIfNeeded: $0) }
        classCount = count
        var ofClasses: [ByteSet: ByteSet] = [:]
        for set in sets {
            for byte in 0..<256 where set.contains(UInt8(byte)) {
                ofClasses[set, default: ByteSet()].insert(classes[byte])
            }
        }
        for place in nodes.indices {
            guard case .bytes(let set, let next) = nodes[place] else { continue }
            nodes[place] = .bytes(ofClasses[set] ?? ByteSet(), next: next)
        }
    }
}
