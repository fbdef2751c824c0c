import Glibc

/// A range of zeroed memory from the kernel, in huge pages where it has them. Pages cost nothing until touched.
///
/// A non-`Sendable` owner: whoever uses the pointers keeps the arena alive.
package final class MemoryArena {
    package let start: UnsafeMutableRawPointer
    package let byteCount: Int

    /// - Returns: nil when the kernel does not give so much.
    package init?(byteCount: Int) {
        self.byteCount = max(byteCount, 1)
        let mapped = mmap(
            nil, self.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapped, mapped != MAP_FAILED else { return nil }
        start = mapped
        madvise(start, self.byteCount, MADV_HUGEPAGE)
    }

    /// Has the kernel find memory for the beginning now, so that who touches it first need not wait. Kernels before 5.14
    /// do not know of this and find it later.
    package func populate(byteCount: Int) {
        madvise(start, min(byteCount, self.byteCount), Self.populateWrite)
    }

    /// `MADV_POPULATE_WRITE`, which glibc's headers do not have everywhere.
    private static let populateWrite: Int32 = 23

    deinit {
        munmap(start, byteCount)
    }
}
