import CKernels
import Glibc

/// Work that shows what this machine can do at most, to hold the figures of real work against.
package enum MachineProbe {
    /// Byte products of the selected instruction set, on registers alone.
    /// - Returns: operations done, two for each multiply-add.
    package static func spinProducts(rounds: Int) -> Int { Int(apus_spin_products(rounds)) }

    /// Memory that no cache holds, in huge pages where the kernel has them, as weights lie; every page touched.
    package final class Buffer {
        private let start: UnsafeMutableRawPointer
        private let byteCount: Int

        /// - Returns: nil when the kernel does not give so much.
        package init?(byteCount: Int) {
            let mapped = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            guard let mapped, mapped != MAP_FAILED else { return nil }
            start = mapped
            self.byteCount = byteCount
            madvise(start, byteCount, MADV_HUGEPAGE)
            memset(start, 1, byteCount)
        }

        deinit {
            munmap(start, byteCount)
        }

        /// Reads everything once, each member of the team a part.
        package func read(_ team: ThreadTeam) {
            team.run { member in
                let part = member.share(byteCount / 256)
                let first = (start + part.lowerBound * 256).assumingMemoryBound(to: UInt8.self)
                _ = apus_read_all(first, part.count * 256)
            }
        }
    }
}
