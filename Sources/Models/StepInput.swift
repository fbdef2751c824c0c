import Inference
import Kernels

/// One step's slices as flat lists, which all threads read.
struct StepInput {
    /// A tile of query rows over one kv head; where contexts are divided, over one segment of theirs.
    struct AttentionItem {
        var firstRow: Int
        var tokenCount: Int
        var kvHead: Int
        /// Of its slice, in `pages`.
        var pageStart: Int
        /// Some row's logits are asked for: it counts in the last layer too.
        var isAsked: Bool
        var segment = 0
    }

    private(set) var tokens: [TokenID] = []
    private(set) var positions: [Int32] = []
    /// Position of each query row: each token's, once for every head of a group.
    private(set) var queryPositions: [Int32] = []
    /// Start of each row's page table in `pages`.
    private(set) var pageStarts: [Int] = []
    private(set) var pages: [Int32] = []
    /// Rows whose logits are asked for.
    private(set) var logitRows: [Int] = []
    private(set) var items: [AttentionItem] = []
    /// Every slice is one token: no query waits for another's key.
    private(set) var isDecode = true
    /// Fewer heads than threads could use: each context is divided into segments.
    private(set) var isDivided = false

    var rowCount: Int { tokens.count }

    /// Takes the memory for the largest steps there can be.
    init(spec: ModelSpec, layout: StepLayout, contextLength: Int) {
        let rowMax = layout.rowMax
        tokens.reserveCapacity(rowMax)
        positions.reserveCapacity(rowMax)
        pageStarts.reserveCapacity(rowMax)
        logitRows.reserveCapacity(rowMax)
        queryPositions.reserveCapacity(rowMax * spec.groupSize)
        pages.reserveCapacity(rowMax * ((contextLength - 1) / Kernels.pageTokenCount + 1))
        let segmentMax = layout.statesCount / layout.stateCount
        items.reserveCapacity(max(rowMax, layout.dividedRowMax * segmentMax) * spec.kvHeadCount)
    }

    /// The lists as threads see them during a step.
    // SAFETY: valid only inside `withPointers`, which the step does not outlive.
    struct Pointers {
        let rowCount: Int
        let isDecode: Bool
        let isDivided: Bool
        let tokens: UnsafePointer<TokenID>
        let positions: UnsafePointer<Int32>
        let queryPositions: UnsafePointer<Int32>
        let pageStarts: UnsafePointer<Int>
        let pages: UnsafePointer<Int32>
        let items: UnsafePointer<AttentionItem>
        let itemCount: Int
        let logitRows: UnsafeBufferPointer<Int>
    }

    /// Runs `body` with the lists of a step, if it has rows.
    func withPointers(_ body: (Pointers) -> Void) {
        guard rowCount > 0 else { return }
        tokens.withUnsafeBufferPointer { tokens in
            positions.withUnsafeBufferPointer { positions in
                queryPositions.withUnsafeBufferPointer { queryPositions in
                    pageStarts.withUnsafeBufferPointer { pageStarts in
                        pages.withUnsafeBufferPointer { pages in
                            items.withUnsafeBufferPointer { items in
                                logitRows.withUnsafeBufferPointer { logitRows in
                                    guard let tokens = tokens.baseAddress, let positions = positions.baseAddress,
                                        let queryPositions = queryPositions.baseAddress,
                                        let pageStarts = pageStarts.baseAddress, let pages = pages.baseAddress,
                                        let items = items.baseAddress
                                    else { return }
                                    body(
                                        Pointers(
                                            rowCount: rowCount, isDecode: isDecode, isDivided: isDivided,
                                            tokens: tokens, positions: positions, queryPositions: queryPositions,
                                            pageStarts: pageStarts, pages: pages, items: items,
                                            itemCount: self.items.count, logitRows: logitRows))
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Takes the slices apart. Checks what the engine promises: an engine that breaks it must not reach memory.
    mutating func read(
        _ slices: [StepSlice], spec: ModelSpec, pageCount: Int, rowMax: Int, layout: StepLayout
    ) {
        removeAll()
        isDivided = layout.divides(slices)
        for slice in slices where !slice.tokens.isEmpty {
            let firstRow = rowCount
            let end = slice.startPosition + slice.tokens.count
            precondition(
                slice.startPosition >= 0 && slice.pages.count * Kernels.pageTokenCount >= end,
                "\(slice.pages.count) pages do not hold \(end) tokens")
            precondition(slice.pages.allSatisfy { $0 >= 0 && Int($0) < pageCount }, "a page that does not exist")
            precondition(
                slice.tokens.allSatisfy { $0 >= 0 && Int($0) < spec.vocabularySize }, "a token that does not exist")
            isDecode = isDecode && slice.tokens.count == 1
            for offset in slice.tokens.indices {
                let position = Int32(slice.startPosition + offset)
                positions.append(position)
                pageStarts.append(pages.count)
                for _ in 0..<spec.groupSize { queryPositions.append(position) }
            }
            for tile in stride(from: 0, to: slice.tokens.count, by: layout.attentionTokenCount) {
                let count = min(layout.attentionTokenCount, slice.tokens.count - tile)
                let isAsked =
                    switch slice.logits {
                    case .none: false
                    case .last: tile + count == slice.tokens.count
                    case .all: true
                    }
                for head in 0..<spec.kvHeadCount {
                    var item = AttentionItem(
                        firstRow: firstRow + tile, tokenCount: count, kvHead: head, pageStart: pages.count,
                        isAsked: isAsked)
                    for segment in 0...(isDivided ? slice.startPosition / Kernels.segmentTokenCount : 0) {
                        item.segment = segment
                        items.append(item)
                    }
                }
            }
            tokens += slice.tokens
            pages += slice.pages
            switch slice.logits {
            case .none: break
            case .last: logitRows.append(rowCount - 1)
            case .all: logitRows += firstRow..<rowCount
            }
        }
        precondition(rowCount <= rowMax, "\(rowCount) tokens in a step of at most \(rowMax)")
    }

    private mutating func removeAll() {
        tokens.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
        queryPositions.removeAll(keepingCapacity: true)
        pageStarts.removeAll(keepingCapacity: true)
        pages.removeAll(keepingCapacity: true)
        logitRows.removeAll(keepingCapacity: true)
        items.removeAll(keepingCapacity: true)
        isDecode = true
    }
}
