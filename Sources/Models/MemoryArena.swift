import Glibc

/// A range of zeroed memory from the kernel, in huge pages where it has them. Pages cost nothing until touched.
///
/// A non-`Sendable` owner: whoever uses the pointers keeps the arena alive.
final class MemoryArena {
    let start: UnsafeMutableRawPointer
    let byteCount: Int

    init(byteCount: Int) throws(ModelError) {
        self.byteCount = max(byteCount, 1)
        let mapped = mmap(
            nil, self.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapped, mapped != MAP_FAILED else { throw .allocationFailed(byteCount: byteCount) }
        start = mapped
        madvise(start, self.byteCount, MADV_HUGEPAGE)
    }

    deinit {
        munmap(start, byteCount)
    }
}
