import Foundation
import Testing

@testable import Models

/// The machine as files: each test writes the tree a process would see.
@Suite struct MachineLimitsTests {
    static func read(_ files: [String: String]) throws -> MachineLimits {
        let root = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        for (path, text) in files {
            let file = root.appending(path: path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: file, atomically: false, encoding: .utf8)
        }
        return MachineLimits.read(root: root.path)
    }

    static let host = [
        "proc/self/status": "Name:\tapus\nCpus_allowed:\tff,0000000f\nCpus_allowed_list:\t0-3,32-39\n",
        "proc/meminfo": "MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n",
    ]

    @Test func `without control groups the machine's figures count`() throws {
        let limits = try Self.read(Self.host)

        #expect(limits == MachineLimits(cpuCount: 12, availableMemory: 8_000_000 * 1024, memorySource: .machine))
    }

    @Test func `version 2: the tightest group on the way to the root counts, less what it uses`() throws {
        let limits = try Self.read(
            Self.host.merging([
                "proc/self/cgroup": "0::/pod/container\n",
                "sys/fs/cgroup/pod/container/memory.max": "4000000000\n",
                "sys/fs/cgroup/pod/container/memory.current": "1000000000\n",
                "sys/fs/cgroup/pod/container/memory.stat": "anon 1\ninactive_file 200000000\n",
                "sys/fs/cgroup/pod/memory.max": "9000000000\n",
                "sys/fs/cgroup/pod/memory.current": "1000000000\n",
                "sys/fs/cgroup/pod/container/cpu.max": "150000 100000\n",
                "sys/fs/cgroup/pod/cpu.max": "max 100000\n",
            ]) { $1 })

        #expect(limits.cpuCount == 2)
        #expect(limits.availableMemory == 4_000_000_000 - 800_000_000)
        #expect(limits.memorySource == .controlGroup(limit: 4_000_000_000))
    }

    @Test func `version 2 in a container sees its own group as the root`() throws {
        let limits = try Self.read(
            Self.host.merging([
                "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000000\n",
                "sys/fs/cgroup/memory.current": "2000000\n", "sys/fs/cgroup/cpu.max": "50000 100000\n",
            ]) { $1 })

        #expect(limits.cpuCount == 1)
        #expect(limits.availableMemory == 0)
    }

    @Test func `version 1: quota and limit by their own controllers, no limit is no limit`() throws {
        let limits = try Self.read(
            Self.host.merging([
                "proc/self/cgroup": "4:memory:/box\n2:cpu,cpuacct:/box\n0::/\n",
                "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "2000000000\n",
                "sys/fs/cgroup/memory/box/memory.usage_in_bytes": "500000000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            ]) { $1 })

        #expect(limits.cpuCount == 3)
        #expect(limits.availableMemory == 1_500_000_000)
    }

    @Test func `files that make no sense change nothing`() throws {
        let limits = try Self.read(
            Self.host.merging([
                "proc/self/cgroup": "nonsense\n0::\n::::\n", "sys/fs/cgroup/memory.max": "lots\n",
                "sys/fs/cgroup/cpu.max": "0 0\n", "proc/meminfo": "MemAvailable: 99999999999999999999 kB\n",
            ]) { $1 })

        #expect(limits.cpuCount == 12)
        #expect(limits.availableMemory == nil)
    }

    @Test func `this machine has a CPU and some memory`() {
        let limits = MachineLimits.current()

        #expect(limits.cpuCount >= 1)
        #expect(limits.availableMemory ?? 0 > 0)
    }
}
