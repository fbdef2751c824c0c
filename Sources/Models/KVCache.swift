import Kernels

/// Keys and values of all pages. Page by page, each with its layers and in them its kv heads one after the other: so what
/// one sequence brings to memory for the first time is all in one place, and the system is asked for few huge pages
/// at once. Layer by layer, it would be asked for one of each layer in the same step.
struct KVCache {
    let type: KVType
    let base: UnsafeMutablePointer<UInt8>
    let headByteCount: Int
    let layerStride: Int
    /// From page to page.
    let pageStride: Int

    /// So much is in memory before the first request comes; the rest comes as it is needed.
    static let readyByteCount = 256 << 20

    /// - Parameter arena: of ``MemoryPlan/kvPageByteCount`` bytes for each page; the caller keeps it.
    init(_ spec: ModelSpec, _ type: KVType, arena: MemoryArena) {
        self.type = type
        base = arena.start.assumingMemoryBound(to: UInt8.self)
        headByteCount = Kernels.pageHeadByteCount(type, headDimension: spec.headDimension)
        layerStride = headByteCount * spec.kvHeadCount
        pageStride = layerStride * spec.layerCount
    }

    /// Where page 0 of a layer has its part of `head`.
    func start(layer: Int, head: Int) -> UnsafeMutablePointer<UInt8> {
        base + layer * layerStride + head * headByteCount
    }
}
