import Kernels
import Models

/// Measures what this machine can do at most: reads of memory, and products of bytes.
struct LimitsBench {
    var threads: Int?

    /// Last-level caches of half that size exist.
    private static let bufferByteCount = 1 << 30

    /// - Returns: one line of JSON. The best of several tries each, since others may use the machine.
    func run() throws -> String {
        let threadCount = threads ?? MachineLimits.current().cpuCount
        let selected = KernelISA.selected
        guard let buffer = MachineProbe.Buffer(byteCount: Self.bufferByteCount) else {
            throw Sentence(description: "There are no \(Self.bufferByteCount >> 20) MiB of memory to read.")
        }
        let one = Self.readRate(buffer, ThreadTeam(threads: 1))
        let all = Self.readRate(buffer, ThreadTeam(threads: threadCount))
        // Where products run on tiles, rows too few for a tile still run as AVX-512's do.
        let sets = selected == .amx ? [.avx512, .amx] : [selected]
        let products = sets.map { "\"\($0)\":\(Self.productRate($0))" }.joined(separator: ",")
        KernelISA.select(selected)
        return """
            {"isa":"\(selected)","threads":\(threadCount),"read_gb_per_s_1_thread":\(one),"read_gb_per_s":\(all),\
            "gops_per_core":{\(products)}}
            """
    }

    private static func readRate(_ buffer: MachineProbe.Buffer, _ team: ThreadTeam) -> Double {
        let seconds = (0..<8).map { _ in EngineBench.seconds { buffer.read(team) } }
        return rate(Double(bufferByteCount), seconds)
    }

    /// Of one thread. Tries last about 10 ms each: long enough for a clock, short enough for a quiet moment.
    private static func productRate(_ isa: KernelISA) -> Double {
        KernelISA.select(isa)
        let trial = EngineBench.seconds { _ = MachineProbe.spinProducts(rounds: 10_000) }
        let rounds = max(1, Int(10_000 * 0.01 / max(trial, 1e-6)))
        var operations = 0
        let seconds = (0..<30).map { _ in
            EngineBench.seconds { operations = MachineProbe.spinProducts(rounds: rounds) }
        }
        return rate(Double(operations), seconds)
    }

    /// Billions a second in the best try, one decimal.
    private static func rate(_ count: Double, _ seconds: [Double]) -> Double {
        (count / max(seconds.min() ?? 0, 1e-9) / 1e8).rounded() / 10
    }
}
