import Kernels

/// A step's memory of its experts, in place. See ``ExpertLayout``.
// SAFETY: as the ForwardStep's: in the step's arena, at offsets and sizes of one StepLayout.
struct ExpertMemory {
    let routerLogits: UnsafeMutablePointer<Float>
    let routerStride: Int
    let choices: UnsafeMutablePointer<Int32>
    let weights: UnsafeMutablePointer<Float>
    let slots: UnsafeMutablePointer<Int32>
    let tileCount: UnsafeMutablePointer<Int32>
    let slotRows: UnsafeMutablePointer<Int32>
    let tiles: UnsafeMutablePointer<ExpertLayout.Tile>
    let activations: Activations
    let outputs: UnsafeMutablePointer<Float>

    init(_ layout: ExpertLayout, in memory: UnsafeMutableRawPointer) {
        func numbers<T>(_ offset: Int) -> UnsafeMutablePointer<T> { (memory + offset).assumingMemoryBound(to: T.self) }
        routerLogits = numbers(layout.routerLogits)
        routerStride = layout.routerStride
        choices = numbers(layout.choices)
        weights = numbers(layout.weights)
        slots = numbers(layout.slots)
        tileCount = numbers(layout.tileCount)
        slotRows = numbers(layout.slotRows)
        tiles = numbers(layout.tiles)
        activations = Activations(layout.activations, in: memory)
        outputs = numbers(layout.outputs)
    }
}

/// The feed-forward of a mixture of experts: each row goes to those that its router likes best.
///
/// How many slots and tiles there are is read inside pieces alone, as all that earlier stages wrote: a thread that finds
/// no piece left may find the next layer's numbers. So stages are as long as they may get for so many rows.
/// A row's experts, their weights and the order in which they are added follow from the row alone. Rows of an expert are
/// computed together, which changes no bit of theirs.
extension ForwardStep {
    func addExperts(
        _ layer: PackedWeights.Layer, _ router: PackedMatrix, _ memory: ExpertMemory, _ count: Int,
        to stream: UnsafeMutablePointer<Float>, _ own: inout Workspace
    ) {
        let activations = norm(
            stream, layer.feedForwardNorm, count, before: tiles(count) * router.panelCount, &own)
        multiply(router, activations, count, into: memory.routerLogits, stride: memory.routerStride, &own)
        own.place.divide(count) { part in
            for row in part { choose(row, memory) }
        }
        own.place.divide(1) { _ in giveSlots(count, memory) }
        let scratch = own.row
        own.place.divide(ExpertLayout.slotMax(rows: count, spec.expertCount, spec.usedExpertCount)) { part in
            for slot in part where memory.slotRows[slot] >= 0 {
                memory.activations.storeNormed(
                    stream + Int(memory.slotRows[slot]) * spec.width, layer.feedForwardNorm,
                    epsilon: spec.normEpsilon, row: slot, isFine: false, scratch: scratch)
            }
        }
        gateExperts(layer.gateUp, memory, count, &own)
        multiplyExperts(layer.down, memory, count, &own)
        own.place.divide(count) { part in
            for row in part {
                for pair in row * spec.usedExpertCount..<(row + 1) * spec.usedExpertCount {
                    Kernels.addScaled(
                        stream + row * spec.width, memory.outputs + Int(memory.slots[pair]) * spec.width,
                        scale: memory.weights[pair], count: spec.width)
                }
            }
        }
    }

    /// The experts with the largest logits, the lowest first among equals, and the softmax over them. Takes the logits of
    /// those chosen away.
    private func choose(_ row: Int, _ memory: ExpertMemory) {
        let logits = memory.routerLogits + row * memory.routerStride
        let choices = memory.choices + row * spec.usedExpertCount
        let weights = memory.weights + row * spec.usedExpertCount
        var (most, total) = (Float(0), Float(0))
        for rank in 0..<spec.usedExpertCount {
            var best = 0
            for expert in 0..<spec.expertCount where logits[expert] > logits[best] { best = expert }
            if rank == 0 { most = logits[best] }
            choices[rank] = Int32(truncatingIfNeeded: best)
            weights[rank] = Kernels.exp(logits[best] - most)
            total += weights[rank]
            logits[best] = -.infinity
        }
        for rank in 0..<spec.usedExpertCount { weights[rank] /= total }
    }

    /// Slots for all pairs of row and expert, and the tiles to compute. Done by one thread: it is counting.
    private func giveSlots(_ count: Int, _ memory: ExpertMemory) {
        let pairCount = count * spec.usedExpertCount
        let group = Kernels.activationGroupRowCount
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: spec.expertCount) { next in
            next.initialize(repeating: 0)
            for pair in 0..<pairCount { next[Int(memory.choices[pair])] += 1 }
            var (slot, tile) = (0, 0)
            for expert in 0..<spec.expertCount {
                let rowCount = Int(next[expert])
                next[expert] = Int32(truncatingIfNeeded: slot)
                for first in stride(from: 0, to: rowCount, by: StepLayout.tileRowCount) {
                    memory.tiles[tile] = ExpertLayout.Tile(
                        expert: Int32(truncatingIfNeeded: expert),
                        firstSlot: Int32(truncatingIfNeeded: slot + first),
                        rowCount: Int32(truncatingIfNeeded: min(StepLayout.tileRowCount, rowCount - first)))
                    tile += 1
                }
                slot += (rowCount + group - 1) / group * group
            }
            memory.slotRows.update(
                repeating: -1, count: ExpertLayout.slotMax(rows: count, spec.expertCount, spec.usedExpertCount))
            for pair in 0..<pairCount {
                let expert = Int(memory.choices[pair])
                memory.slots[pair] = next[expert]
                memory.slotRows[Int(next[expert])] = Int32(truncatingIfNeeded: pair / spec.usedExpertCount)
                next[expert] += 1
            }
            memory.tileCount.pointee = Int32(truncatingIfNeeded: tile)
        }
    }

    private func tileMax(_ count: Int) -> Int {
        ExpertLayout.tileMax(rows: count, spec.expertCount, spec.usedExpertCount)
    }

    private func gateExperts(
        _ matrix: PackedMatrix, _ memory: ExpertMemory, _ count: Int, _ own: inout Workspace
    ) {
        let panels = spec.gate.panelCount
        let blocks = matrix.panelCount / panels / spec.expertCount
        let buffer = own.tile
        own.place.divide(tileMax(count) * blocks) { part in
            for piece in part where piece / blocks < Int(memory.tileCount.pointee) {
                let (tile, block) = (memory.tiles[piece / blocks], piece % blocks)
                let first = (Int(tile.expert) * blocks + block) * panels
                let (slot, rows) = (Int(tile.firstSlot), Int(tile.rowCount))
                matrix.multiply(
                    first..<first + panels, memory.activations, firstRow: slot, rows: rows, into: buffer,
                    stride: panels * Kernels.panelRowCount)
                gated.storeGated(
                    spec.gate, buffer, stride: spec.gate.panelCount * Kernels.panelRowCount, rows: rows, firstRow: slot,
                    block: block)
            }
        }
    }

    private func multiplyExperts(
        _ matrix: PackedMatrix, _ memory: ExpertMemory, _ count: Int, _ own: inout Workspace
    ) {
        let panels = matrix.panelCount / spec.expertCount
        own.place.divide(tileMax(count) * panels) { part in
            var start = part.lowerBound
            let end = min(part.upperBound, Int(memory.tileCount.pointee) * panels)
            while start < end {
                let (tile, panel) = (memory.tiles[start / panels], start % panels)
                let count = min(panels - panel, end - start)
                let first = Int(tile.expert) * panels + panel
                matrix.multiply(
                    first..<first + count, gated, firstRow: Int(tile.firstSlot), rows: Int(tile.rowCount),
                    into: memory.outputs + Int(tile.firstSlot) * spec.width + panel * Kernels.panelRowCount,
                    stride: spec.width)
                start += count
            }
        }
    }
}
