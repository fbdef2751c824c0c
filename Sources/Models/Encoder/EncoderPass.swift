import Inference
import Kernels

/// The texts of one pass as flat lists, which all threads read.
struct EncoderPass {
    /// A text's rows.
    struct Text {
        var rows: Range<Int>
        /// Its first page.
        var firstPage: Int
        /// Where its second part begins, counted from its start.
        var secondStart: Int
    }

    /// A tile of query rows over one head.
    struct AttentionItem {
        var rows: Range<Int>
        var head: Int
        var firstPage: Int
    }

    /// One token.
    struct Row {
        var token: TokenID
        var position: Int
        var segment: Int
        var firstPage: Int
    }

    private(set) var texts: [Text] = []
    private(set) var rows: [Row] = []
    private(set) var items: [AttentionItem] = []
    private var pageCount = 0

    var rowCount: Int { rows.count }

    /// Takes as many slices as there is room for, one at least.
    /// - Returns: how many.
    mutating func read(_ slices: ArraySlice<StepSlice>, spec: EncoderSpec, layout: EncoderLayout) -> Int {
        texts.removeAll(keepingCapacity: true)
        rows.removeAll(keepingCapacity: true)
        items.removeAll(keepingCapacity: true)
        pageCount = 0
        var count = 0
        for slice in slices {
            let pages = (slice.tokens.count + Kernels.pageTokenCount - 1) / Kernels.pageTokenCount
            guard rows.count + slice.tokens.count <= layout.rowMax, pageCount + pages <= layout.pageCount,
                texts.count < layout.textMax
            else { break }
            append(slice, pages, spec)
            count += 1
        }
        precondition(count > 0, "a text of \(slices.first?.tokens.count ?? 0) tokens is longer than a step")
        return count
    }

    /// Checks what the engine promises: an engine that breaks it must not reach memory.
    private mutating func append(_ slice: StepSlice, _ pages: Int, _ spec: EncoderSpec) {
        let (first, count) = (rows.count, slice.tokens.count)
        precondition(slice.startPosition == 0 && (1...spec.positionCount).contains(count), "a text in parts")
        precondition(
            slice.tokens.allSatisfy { $0 >= 0 && Int($0) < spec.vocabularySize }, "a token that does not exist")
        let second = min(max(slice.pooling?.secondStart ?? count, 0), count)
        texts.append(Text(rows: first..<first + count, firstPage: pageCount, secondStart: second))
        for (position, token) in slice.tokens.enumerated() {
            // Models with one kind of text read both parts as that.
            let segment = position < second ? 0 : min(1, spec.segmentCount - 1)
            rows.append(Row(token: token, position: position, segment: segment, firstPage: pageCount))
        }
        for start in stride(from: first, to: first + count, by: StepLayout.attentionRowMax) {
            let tile = start..<min(first + count, start + StepLayout.attentionRowMax)
            for head in 0..<spec.headCount {
                items.append(AttentionItem(rows: tile, head: head, firstPage: pageCount))
            }
        }
        pageCount += pages
    }
}
