import Engine
import Inference
import Models
import TestSupport

/// A model whose logits are a hash of what it reads from its KV pages.
///
/// Each entry of the KV hangs on the one before it, as read through the page table of the slice that writes it, and a
/// row of logits reads all entries from position 0. So a wrong page, position or token anywhere changes every token
/// after it.
final class ScriptedRuntime: ModelRuntime {
    let description: ModelDescription
    /// The slices of each step, in order.
    private(set) var steps: [[StepSlice]] = []
    /// What the engine did that no runtime could have computed.
    private(set) var faults: [String] = []
    /// Makes the row after this token a row of NaN.
    var poison: TokenID?

    private var entries: [UInt64]
    private var rows: UnsafeMutableBufferPointer<Float>

    init(
        vocabularySize: Int = 101, contextLength: Int = 512, pageTokenCount: Int = 4, pageCount: Int = 256,
        stepTokenMax: Int = 512
    ) {
        description = ModelDescription(
            name: "scripted", architecture: "script", numericsID: "script-1", vocabularySize: vocabularySize,
            contextLength: contextLength, pageTokenCount: pageTokenCount, pageCount: pageCount,
            stepTokenMax: stepTokenMax)
        entries = Array(repeating: 0, count: pageCount * pageTokenCount)
        rows = .allocate(capacity: stepTokenMax * vocabularySize)
        rows.initialize(repeating: .nan)
    }

    deinit { rows.deallocate() }

    var tokensComputed: Int { steps.joined().reduce(0) { $0 + $1.tokens.count } }

    func execute(_ slices: [StepSlice]) -> UnsafeBufferPointer<Float> {
        steps.append(slices)
        check(slices)
        for slice in slices {
            for (offset, token) in slice.tokens.enumerated() {
                let position = slice.startPosition + offset
                let before = position > 0 ? entries[place(position - 1, slice)] : 0
                entries[place(position, slice)] = SeededRandom.mix(before &* 31 &+ UInt64(token) &+ 1)
            }
        }
        var row = 0
        for slice in slices {
            let offsets: Range<Int>
            switch slice.logits {
            case .none: offsets = 0..<0
            case .last: offsets = slice.tokens.count - 1..<slice.tokens.count
            case .all: offsets = 0..<slice.tokens.count
            }
            for offset in offsets {
                fill(row, slice, upTo: slice.startPosition + offset, after: slice.tokens[offset])
                row += 1
            }
        }
        return UnsafeBufferPointer(rebasing: rows[0..<row * description.vocabularySize])
    }

    private func place(_ position: Int, _ slice: StepSlice) -> Int {
        Int(slice.pages[position / description.pageTokenCount]) * description.pageTokenCount
            + position % description.pageTokenCount
    }

    private func fill(_ row: Int, _ slice: StepSlice, upTo position: Int, after token: TokenID) {
        var state: UInt64 = 7
        for position in 0...position { state = SeededRandom.mix(state ^ entries[place(position, slice)]) }
        let base = row * description.vocabularySize
        for token in 0..<description.vocabularySize {
            // Steps of an eighth: equal logits are common, so that the order among them matters.
            rows[base + token] = Float(SeededRandom.mix(state &+ UInt64(token)) >> 58) / 8 - 4
        }
        if token == poison { rows[base] = .nan }
    }

    private func check(_ slices: [StepSlice]) {
        let count = slices.reduce(0) { $0 + $1.tokens.count }
        if count == 0 || count > description.stepTokenMax { faults.append("a step of \(count) tokens") }
        var writers: [Int32: Int] = [:]
        for (index, slice) in slices.enumerated() {
            let end = slice.startPosition + slice.tokens.count
            if slice.tokens.isEmpty || slice.startPosition < 0 { faults.append("an empty slice") }
            if slice.pages.count * description.pageTokenCount < end { faults.append("pages end before \(end)") }
            if Set(slice.pages).count != slice.pages.count { faults.append("a page twice in one table") }
            let first = slice.startPosition / description.pageTokenCount
            for page in slice.pages[first...((end - 1) / description.pageTokenCount)] {
                if let other = writers.updateValue(index, forKey: page), other != index {
                    faults.append("page \(page) written by two slices")
                }
            }
        }
    }
}
