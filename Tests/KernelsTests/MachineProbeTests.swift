import Kernels
import Testing

extension KernelTests {
    /// What they count is known; how fast they are, `apus bench --limits` says.
    @Suite struct MachineProbeTests {
        @Test func `every instruction set does as many operations as it says`() {
            let before = KernelISA.selected
            defer { KernelISA.select(before) }
            for isa in KernelISA.available {
                KernelISA.select(isa)
                let once = MachineProbe.spinProducts(rounds: 1)
                #expect(once > 0 && MachineProbe.spinProducts(rounds: 7) == 7 * once, "\(isa)")
            }
        }

        @Test func `a buffer is read by teams of any size`() throws {
            let buffer = try #require(MachineProbe.Buffer(byteCount: 1 << 20))
            for count in [1, 3] { buffer.read(ThreadTeam(threads: count)) }
        }
    }
}
