import CSandbox
import Glibc

/// What a process still needs once it keeps to rules: everything else is refused.
package struct SandboxRules: Equatable, Sendable {
    /// Files, and folders with all below them, that it reads. Where one is replaced by another of its name the rule stays
    /// with the old one: name the folder of what may be replaced.
    package var readable: [String]
    /// TCP ports it listens on; 0 for those that the system chooses.
    package var listening: Set<UInt16>
    /// TCP ports it connects to, of any host.
    package var dialled: Set<UInt16>

    package init(readable: [String], listening: Set<UInt16>, dialled: Set<UInt16> = []) {
        self.readable = readable
        self.listening = listening
        self.dialled = dialled
    }
}

/// Whether a process keeps to rules.
package enum SandboxMode: String, CaseIterable, Sendable {
    /// To those that the kernel can keep it to.
    case auto
    case off
    /// To all, or it does not start.
    case required
}

/// What holds for the process now.
package struct SandboxForce: Equatable, Sendable {
    /// Version of Landlock; nil where it is not in force.
    package var landlockVersion: Int?
    package var filtersCalls = false
    /// What is not in force though it was asked for.
    package var missing: [SandboxPartMissing] = []

    package init() {}
}

/// A part of the sandbox that this kernel does not give.
package struct SandboxPartMissing: Error, Equatable, Sendable, CustomStringConvertible {
    package var part: String
    package var reason: String

    package var description: String { "\(part) is not in force here (\(reason))" }
}

/// Why a process that must keep to rules cannot. The description is a sentence for the operator.
package struct SandboxUnavailable: Error, Equatable, Sendable, CustomStringConvertible {
    package var missing: [SandboxPartMissing]

    package var description: String {
        "The sandbox is required, but " + missing.map(\.description).joined(separator: " and ")
            + ": run on a kernel with Landlock (5.13 or later) and seccomp, let the container's profile pass both, or "
            + "choose --sandbox auto."
    }
}

/// Rules that a process sets itself and cannot take back, nor can what takes it over: Landlock for files, ports and
/// signals, a seccomp filter for system calls, and no new privileges.
package enum Sandbox {
    /// Call it before the process makes its first thread: Landlock's rules are those of a thread and of what it makes.
    /// - Returns: what is in force; nothing where the mode is off.
    /// - Throws: when all is required and something is missing.
    package static func enter(_ rules: SandboxRules, _ mode: SandboxMode) throws(SandboxUnavailable) -> SandboxForce {
        var force = SandboxForce()
        guard mode != .off else { return force }
        let privileges = apus_gain_no_privileges()
        if privileges < 0 {
            force.missing.append(
                SandboxPartMissing(part: "no_new_privs", reason: KernelError.text(privileges)))
        }
        do throws(SandboxPartMissing) {
            guard threadCount == 1 else {
                throw SandboxPartMissing(part: "Landlock", reason: "\(threadCount) threads run already")
            }
            let landlock = try Landlock()
            try landlock.apply(rules)
            force.landlockVersion = landlock.version
        } catch {
            force.missing.append(error)
        }
        let filter = SystemCallFilter(refusing: SystemCallTable.refused, newest: SystemCallTable.newest)
        if let reason = filter.apply() {
            force.missing.append(SandboxPartMissing(part: "seccomp", reason: reason))
        } else {
            force.filtersCalls = true
        }
        guard mode != .required || force.missing.isEmpty else { throw SandboxUnavailable(missing: force.missing) }
        return force
    }

    /// The folder of a process's threads has a link from each besides its own two. Source: proc_task_getattr of the kernel.
    private static var threadCount: Int {
        var status = stat()
        return stat("/proc/self/task", &status) == 0 ? max(1, Int(status.st_nlink) - 2) : 1
    }
}

/// What the kernel says when it refuses.
enum KernelError {
    /// - Parameter result: minus errno.
    static func text(_ result: Int) -> String {
        switch Int32(truncatingIfNeeded: -result) {
        case ENOSYS: "the kernel does not know it"
        case EOPNOTSUPP: "it is turned off at the kernel's start"
        case let code: "errno \(code)"
        }
    }
}
