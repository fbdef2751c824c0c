package import Inference

/// The bytes of all tokens as a trie, so that a mask is found in one walk that leaves out whole branches.
/// Immutable; shared between threads.
///
/// Memory: about 14 bytes a node, twice as many nodes as tokens.
package final class TokenVocabulary: Sendable {
    package let tokenCount: Int
    /// Of the longest token.
    let byteMax: Int
    /// Bytes of each token; empty for those that stand for no text.
    private let bytes: [[UInt8]]

    // Nodes in the order of a walk that visits children before siblings; the root is left out.
    let nodeBytes: [UInt8]
    let nodeDepths: [UInt16]
    /// Where the walk goes on without the node's branch.
    let nodeEnds: [Int32]
    /// Where the node's tokens begin in `tokens`; one more at the end.
    let nodeTokens: [Int32]
    let tokens: [TokenID]

    /// - Parameter bytes: of each token; empty for tokens that are never text: control tokens and the like.
    package init(_ bytes: [[UInt8]]) {
        self.bytes = bytes
        tokenCount = bytes.count
        byteMax = bytes.reduce(1) { max($0, $1.count) }
        let order = bytes.indices.filter { !bytes[$0].isEmpty }
            .sorted { a, b in bytes[a] == bytes[b] ? a < b : bytes[a].lexicographicallyPrecedes(bytes[b]) }
        var (nodeBytes, nodeDepths, nodeEnds, nodeTokens): ([UInt8], [UInt16], [Int32], [Int32]) = ([], [], [], [])
        var tokens: [TokenID] = []
        // Nodes on the way to the token before.
        var path: [Int] = []
        var previous: [UInt8] = []
        for token in order {
            let text = bytes[token]
            let shared = zip(previous, text).prefix { $0 == $1 }.count
            for node in path[shared...] { nodeEnds[node] = Int32(truncatingIfNeeded: nodeBytes.count) }
            path.removeLast(path.count - shared)
            for depth in shared..<text.count {
                path.append(nodeBytes.count)
                nodeBytes.append(text[depth])
                nodeDepths.append(UInt16(truncatingIfNeeded: depth))
                nodeEnds.append(0)
                nodeTokens.append(Int32(truncatingIfNeeded: tokens.count))
            }
            tokens.append(TokenID(truncatingIfNeeded: token))
            previous = text
        }
        for node in path { nodeEnds[node] = Int32(truncatingIfNeeded: nodeBytes.count) }
        nodeTokens.append(Int32(truncatingIfNeeded: tokens.count))
        self.nodeBytes = nodeBytes
        self.nodeDepths = nodeDepths
        self.nodeEnds = nodeEnds
        self.nodeTokens = nodeTokens
        self.tokens = tokens
    }

    func bytes(of token: TokenID) -> [UInt8] {
        bytes.indices.contains(Int(token)) ? bytes[Int(token)] : []
    }
}

/// Which tokens may come next.
package struct TokenMask: Equatable, Sendable {
    /// One bit a token, lowest first.
    package fileprivate(set) var words: [UInt64]
    /// Whether the text may end here.
    package fileprivate(set) var mayEnd: Bool
    /// Tokens that may come.
    package fileprivate(set) var count = 0

    init(tokenCount: Int, mayEnd: Bool) {
        words = Array(repeating: 0, count: (tokenCount + 63) / 64)
        self.mayEnd = mayEnd
    }

    package func contains(_ token: TokenID) -> Bool {
        let word = Int(token) >> 6
        return words.indices.contains(word) && words[word] >> UInt64(token & 63) & 1 != 0
    }

    fileprivate mutating func insert(_ token: TokenID) {
        words[Int(token) >> 6] |= 1 << UInt64(token & 63)
        count += 1
    }
}

extension TokenVocabulary {
    /// Walks the trie: a byte that may not follow ends its branch.
    /// - Returns: nil where the table became full.
    func mask(from state: PlaceTable.State, _ table: inout PlaceTable) throws(GrammarFailure) -> TokenMask? {
        var mask = TokenMask(tokenCount: tokenCount, mayEnd: table.accepts(state))
        var states = [PlaceTable.State](repeating: state, count: byteMax + 1)
        var node = 0
        while node < nodeBytes.count {
            guard !table.isFull else { return nil }
            let depth = Int(nodeDepths[node])
            let next = try table.next(states[depth], nodeBytes[node])
            guard next != PlaceTable.dead else {
                node = Int(nodeEnds[node])
                continue
            }
            states[depth + 1] = next
            for place in nodeTokens[node]..<nodeTokens[node + 1] { mask.insert(tokens[Int(place)]) }
            node += 1
        }
        return mask
    }
}
