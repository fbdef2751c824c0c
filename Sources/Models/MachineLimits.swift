import Glibc

/// What this process may use of the machine: the host's figures, cut down by control groups of either version.
package struct MachineLimits: Equatable, Sendable {
    package enum MemorySource: Equatable, Sendable {
        /// What the kernel says is available on the whole machine.
        case machine
        /// The limit of a control group, less what it uses already.
        case controlGroup(limit: Int)
    }

    /// CPUs: the affinity mask, and no more than the quota rounded up. At least 1.
    package var cpuCount: Int
    /// Bytes that can be taken now; nil when nothing tells.
    package var availableMemory: Int?
    package var memorySource: MemorySource
    /// Processes that divide the memory equally: `availableMemory` is one's part.
    package private(set) var sharerCount = 1

    package init(cpuCount: Int, availableMemory: Int?, memorySource: MemorySource = .machine) {
        self.cpuCount = cpuCount
        self.availableMemory = availableMemory
        self.memorySource = memorySource
    }

    /// The memory of one of so many processes; they take the CPUs as they need them.
    package func shared(among count: Int) -> MachineLimits {
        var part = self
        part.sharerCount = max(1, count)
        part.availableMemory = availableMemory.map { $0 / part.sharerCount }
        return part
    }

    /// The limits of this process now.
    package static func current() -> MachineLimits { read(root: "") }

    /// - Parameter root: prefix of all paths; a tree of files in tests.
    static func read(root: String) -> MachineLimits {
        let affinity = affinityCount(root: root)
        let groups = ControlGroups(root: root)
        let quotas = groups.cpuQuotas().map { max(1, Int($0.rounded(.up))) }
        var limits = MachineLimits(
            cpuCount: max(1, min(affinity, quotas.min() ?? affinity)), availableMemory: machineMemory(root: root))
        for (limit, usage) in groups.memoryLimits() {
            let left = max(0, limit - usage)
            if left < limits.availableMemory ?? .max {
                limits.availableMemory = left
                limits.memorySource = .controlGroup(limit: limit)
            }
        }
        return limits
    }

    /// CPUs that the scheduler may run this process on: "Cpus_allowed: ff,ffffffff". Covers cpusets too.
    private static func affinityCount(root: String) -> Int {
        for line in SmallFile.lines(root + "/proc/self/status") where line.hasPrefix("Cpus_allowed:") {
            let digits = line.dropFirst("Cpus_allowed:".count).compactMap(\.hexDigitValue)
            return max(1, digits.reduce(0) { $0 + $1.nonzeroBitCount })
        }
        return max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    }

    /// MemAvailable: what can be used without swapping.
    private static func machineMemory(root: String) -> Int? {
        for line in SmallFile.lines(root + "/proc/meminfo") where line.hasPrefix("MemAvailable:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
                .flatMap { kibi in kibi < 1 << 50 ? kibi * 1024 : nil }
        }
        return nil
    }
}

/// The control groups this process is in, from its own up to the root.
///
/// Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
struct ControlGroups {
    let root: String

    /// Limit and what counts against it, for every group that has a limit. Cache that can be dropped does not count.
    func memoryLimits() -> [(limit: Int, usage: Int)] {
        let second = directories(controller: nil).compactMap {
            limit($0, "memory.max", usage: "memory.current", cache: "inactive_file ")
        }
        let first = directories(controller: "memory").compactMap {
            limit($0, "memory.limit_in_bytes", usage: "memory.usage_in_bytes", cache: "total_inactive_file ")
        }
        return second + first
    }

    /// CPUs' worth of time per period, for every group that has a quota.
    func cpuQuotas() -> [Double] {
        let second = directories(controller: nil).compactMap { directory -> Double? in
            let words = SmallFile.lines(directory + "/cpu.max").first?.split(separator: " ").compactMap { Double($0) }
            guard let words, words.count == 2 else { return nil }
            return Self.quota(words[0], words[1])
        }
        let first = directories(controller: "cpu").compactMap { directory -> Double? in
            guard let quota = SmallFile.lines(directory + "/cpu.cfs_quota_us").first.flatMap({ Double($0) }),
                let period = SmallFile.lines(directory + "/cpu.cfs_period_us").first.flatMap({ Double($0) })
            else { return nil }
            return Self.quota(quota, period)
        }
        return second + first
    }

    private static func quota(_ quota: Double, _ period: Double) -> Double? {
        guard quota > 0, period > 0, quota / period < 1e6 else { return nil }
        return quota / period
    }

    private func limit(_ directory: String, _ name: String, usage: String, cache: String) -> (limit: Int, usage: Int)? {
        // Version 1 says "no limit" by a number near 2^63, version 2 by the word "max".
        guard let limit = SmallFile.lines(directory + "/" + name).first.flatMap({ Int($0) }), limit < 1 << 60 else {
            return nil
        }
        let used = SmallFile.lines(directory + "/" + usage).first.flatMap { Int($0) } ?? 0
        let dropped =
            SmallFile.lines(directory + "/memory.stat").first { $0.hasPrefix(cache) }
            .flatMap { Int($0.dropFirst(cache.count)) } ?? 0
        return (limit, max(0, used - max(0, min(used, dropped))))
    }

    /// Directories of this process's group and its ancestors, innermost first.
    /// - Parameter controller: of version 1; nil is version 2.
    private func directories(controller: String?) -> [String] {
        var path = "/"
        for line in SmallFile.lines(root + "/proc/self/cgroup") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let isOurs =
                controller.map { fields[1].split(separator: ",").contains(Substring($0)) } ?? (fields[0] == "0")
            if isOurs { path = String(fields[2]) }
        }
        let mounts = controller.map { ["/sys/fs/cgroup/\($0)"] } ?? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        return mounts.flatMap { mount in
            var names = path.split(separator: "/")
            var found: [String] = []
            while !names.isEmpty {
                found.append(root + mount + "/" + names.joined(separator: "/"))
                names.removeLast()
            }
            return found + [root + mount]
        }
    }
}

/// Files of the kernel: short, and read whole.
enum SmallFile {
    /// Empty when there is no such file.
    static func lines(_ path: String) -> [Substring] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        var count = 0
        while count < bytes.count {
            // SAFETY: the buffer has bytes.count - count bytes from `count` on.
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count)
            }
            guard got > 0 else { break }
            count += got
        }
        return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
    }
}
