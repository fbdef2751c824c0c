import Glibc

/// How many files and sockets this process may have open, and what of them its ports may take: whoever fills a port leaves
/// the others theirs, and the links between routers and workers.
package struct DescriptorBudget: Sendable {
    /// As the kernel counts them.
    package let count: Int

    /// - Parameter count: descriptors in all.
    package init(count: Int) {
        self.count = max(8, count)
    }

    /// Of this process. The first use raises the soft limit to the hard one; a sandbox would forbid it.
    package static let ofProcess: DescriptorBudget = {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            // What systems commonly begin with.
            return DescriptorBudget(count: 1024)
        }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        return DescriptorBudget(count: Int(clamping: limit.rlim_cur))
    }()

    /// What one of at most two large ports may take: three eighths.
    package var largePortMax: Int { count / 8 * 3 }
    /// What the port of metrics and health may take: an eighth. As much is left for links and files.
    package var smallPortMax: Int { count / 8 }
}
