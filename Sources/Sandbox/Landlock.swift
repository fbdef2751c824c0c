import CSandbox
import Glibc

/// Rules on files, ports and signals that a process sets itself, as far as the kernel's version of Landlock knows them.
///
/// Source: landlock(7).
struct Landlock {
    /// 1 to 7 and on; 5.13 had the first.
    let version: Int

    private enum FileAccess {
        static let readFile: UInt64 = 1 << 2
        static let readFolder: UInt64 = 1 << 3
        /// Everything that a version of Landlock can forbid: execution, reading, writing, making and removing of all
        /// kinds; from 2 on moving, from 3 on truncating, from 5 on ioctl of devices.
        static func all(_ version: Int) -> UInt64 {
            let bits = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13
            return (1 << UInt64(bits)) - 1
        }
    }

    private enum PortAccess {
        static let bind: UInt64 = 1 << 0
        static let connect: UInt64 = 1 << 1
    }

    /// Abstract Unix sockets and signals of processes without these rules.
    private static let allScopes: UInt64 = 0b11

    /// - Throws: why the kernel has none.
    init() throws(SandboxPartMissing) {
        let version = apus_landlock_version()
        guard version > 0 else { throw SandboxPartMissing(part: "Landlock", reason: KernelError.text(version)) }
        self.version = Int(version)
    }

    var limitsPorts: Bool { version >= 4 }
    var limitsSignals: Bool { version >= 6 }

    /// For the calling thread and those it makes, for good.
    func apply(_ rules: SandboxRules) throws(SandboxPartMissing) {
        var handled = apus_landlock_ruleset()
        handled.files = FileAccess.all(version)
        if limitsPorts { handled.network = PortAccess.bind | PortAccess.connect }
        if limitsSignals { handled.scopes = Self.allScopes }
        let length = limitsSignals ? 24 : limitsPorts ? 16 : 8
        let ruleset = apus_landlock_create(&handled, length)
        guard ruleset >= 0 else { throw missing(ruleset) }
        defer { close(Int32(ruleset)) }
        for path in rules.readable { try allow(path, in: Int32(ruleset)) }
        if limitsPorts {
            for port in rules.listening {
                try check(apus_landlock_allow_port(Int32(ruleset), PortAccess.bind, UInt64(port)))
            }
            for port in rules.dialled {
                try check(apus_landlock_allow_port(Int32(ruleset), PortAccess.connect, UInt64(port)))
            }
        }
        try check(apus_landlock_restrict(Int32(ruleset)))
    }

    /// What is not there, or is out of reach already, stays so.
    private func allow(_ path: String, in ruleset: Int32) throws(SandboxPartMissing) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        let access = isFolder ? FileAccess.readFile | FileAccess.readFolder : FileAccess.readFile
        let result = apus_landlock_allow_path(ruleset, path, access)
        guard ![-Int(ENOENT), -Int(EACCES)].contains(Int(result)) else { return }
        try check(result)
    }

    private func check(_ result: Int) throws(SandboxPartMissing) {
        if result < 0 { throw missing(result) }
    }

    private func missing(_ result: Int) -> SandboxPartMissing {
        SandboxPartMissing(part: "Landlock", reason: KernelError.text(result))
    }
}
