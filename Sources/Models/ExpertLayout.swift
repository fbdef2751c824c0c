import Kernels

/// Where a step keeps what its experts compute. A token goes to several experts: each such pair has a slot, the slots of
/// an expert lie together, and begin at whole groups of quantized rows.
struct ExpertLayout: Equatable, Sendable {
    let slotMax: Int
    /// Floats of a row of router logits.
    let routerStride: Int
    /// (rows, routerStride)
    let routerLogits: Int
    /// (rows, experts of a token): the expert, its weight, its slot.
    let choices: Int
    let weights: Int
    let slots: Int
    let tileCount: Int
    /// (slots): the row of each; -1 for those that fill a group.
    let slotRows: Int
    /// (tiles)
    let tiles: Int
    /// (slots, width)
    let activations: StepLayout.ActivationOffsets
    let outputs: Int

    /// Rows of one expert whose products are computed together.
    struct Tile {
        var expert: Int32
        var firstSlot: Int32
        var rowCount: Int32
    }

    init(_ experts: ModelSpec.Experts, _ width: Int, rowMax: Int, _ cursor: inout StepLayout.Cursor) {
        let pairMax = rowMax * experts.usedCount
        slotMax = Self.slotMax(rows: rowMax, experts.count, experts.usedCount)
        routerStride = (experts.count + 31) & ~31
        routerLogits = cursor.floats(rowMax * routerStride)
        choices = cursor.floats(pairMax)
        weights = cursor.floats(pairMax)
        slots = cursor.floats(pairMax)
        tileCount = cursor.floats(1)
        slotRows = cursor.floats(slotMax)
        tiles = cursor.bytes(
            Self.tileMax(rows: rowMax, experts.count, experts.usedCount) * MemoryLayout<Tile>.stride)
        activations = cursor.activations(slotMax, width)
        outputs = cursor.floats(slotMax * width)
    }

    /// Slots of so many rows at most.
    static func slotMax(rows: Int, _ expertCount: Int, _ usedCount: Int) -> Int {
        let (pairCount, group) = (rows * usedCount, Kernels.activationGroupRowCount)
        return (pairCount + min(expertCount, pairCount) * (group - 1)) / group * group
    }

    /// Tiles of so many rows at most.
    static func tileMax(rows: Int, _ expertCount: Int, _ usedCount: Int) -> Int {
        rows * usedCount / StepLayout.tileRowCount + min(expertCount, rows * usedCount)
    }
}
