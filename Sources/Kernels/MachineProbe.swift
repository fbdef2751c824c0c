import CKernels
import Glibc

/// Work that shows what this machine can do at most, to hold the figures of real work against.
package enum MachineProbe {
    /// Byte products of the selected instruction set, on registers alone.
    /// - Returns: operations done, two for each multiply-add.
    package static func spinProducts(rounds: Int) -> Int { Int(apus_spin_products(rounds)) }

    /// Memory that no cache holds, in huge pages where the kernel has them, as weights lie; every page touched.
    package final class Buffer {
        private let arena: MemoryArena

        /// - Returns: nil when the kernel does not give so much.
        package init?(byteCount: Int) {
            guard let arena = MemoryArena(byteCount: byteCount) else { return nil }
            self.arena = arena
            memset(arena.start, 1, arena.byteCount)
        }

        /// Reads everything once, each member of the team a part.
        package func read(_ team: ThreadTeam) {
            let arena = arena
            team.run { member in
                let part = member.share(arena.byteCount / 256)
                let first = (arena.start + part.lowerBound * 256).assumingMemoryBound(to: UInt8.self)
                _ = apus_read_all(first, part.count * 256)
            }
        }
    }
}
