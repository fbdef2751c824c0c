import Kernels

/// Keys and values of all pages. Layer by layer, so that pages taken in order lie in order; within a layer, a page holds
/// its kv heads one after the other.
struct KVCache {
    let type: KVType
    let base: UnsafeMutablePointer<UInt8>
    let headByteCount: Int
    /// From page to page within a layer.
    let pageStride: Int
    let layerStride: Int

    /// - Parameter arena: of `pageCount` × ``MemoryPlan/kvPageByteCount`` bytes; the caller keeps it.
    init(_ spec: ModelSpec, _ type: KVType, pageCount: Int, arena: MemoryArena) {
        self.type = type
        base = arena.start.assumingMemoryBound(to: UInt8.self)
        headByteCount = Kernels.pageHeadByteCount(type, headDimension: spec.headDimension)
        pageStride = headByteCount * spec.kvHeadCount
        layerStride = pageStride * pageCount
    }

    /// Where page 0 of a layer has its part of `head`.
    func start(layer: Int, head: Int) -> UnsafeMutablePointer<UInt8> {
        base + layer * layerStride + head * headByteCount
    }
}
