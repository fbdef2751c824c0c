import Glibc

/// How a child process ended.
package enum ExitStatus: Equatable, Sendable, CustomStringConvertible {
    case exited(code: Int32)
    case signalled(Int32)

    package var description: String {
        switch self {
        case .exited(let code): "exited with code \(code)"
        case .signalled(let signal): "was ended by signal \(signal)"
        }
    }
}

/// Starts programs and waits for them, by the system's calls.
enum ChildProcess {
    /// The descriptor under which a child finds its end of the announcement pipe.
    static let announceDescriptor: Int32 = 3

    struct Started {
        var processID: pid_t
        /// Reads what the child announces; end of file when it is closed or gone. The caller closes it.
        var announcements: Int32
    }

    /// The child gets standard input, output and error of this process, one end of a pipe as descriptor 3, and nothing
    /// else: a copy of a client's connection would outlive its close here. It runs in a process group of its own, so
    /// that Ctrl-C reaches this process alone, which then stops it in order. Its arguments say all there is to set, so
    /// it does not see this process's APUS_ variables: a router's settings are no worker's.
    /// - Returns: nil and errno when the system refuses.
    static func spawn(executable: String, arguments: [String]) -> Result<Started, SpawnError> {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return .failure(SpawnError(errorCode: errno)) }
        let (reading, writing) = (ends[0], ends[1])
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(writing) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, writing, announceDescriptor)
        closeDescriptors(from: announceDescriptor + 1, in: &actions)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var ours = sigset_t()
        sigemptyset(&ours)
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD] { sigaddset(&ours, signal) }
        posix_spawnattr_setsigdefault(&attributes, &ours)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        // SAFETY: strdup's copies and the array live until posix_spawn returns, which keeps none of them.
        var words: [UnsafeMutablePointer<CChar>?] = (["apus"] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var variables = environmentForChildren()
        variables.append(nil)
        var processID: pid_t = 0
        let code = posix_spawn(&processID, executable, &actions, &attributes, &words, &variables)
        guard code == 0 else {
            close(reading)
            return .failure(SpawnError(errorCode: code))
        }
        return .success(Started(processID: processID, announcements: reading))
    }

    private static func environmentForChildren() -> [UnsafeMutablePointer<CChar>?] {
        var variables: [UnsafeMutablePointer<CChar>?] = []
        // SAFETY: the environment ends with a null pointer, and nothing here changes it.
        var next = environ
        while let variable = next.pointee {
            if strncmp(variable, "APUS_", 5) != 0 { variables.append(variable) }
            next += 1
        }
        return variables
    }

    /// Glibc has the call since 2.34 and hides it from Swift; without it the child keeps what is not close-on-exec.
    private static func closeDescriptors(from first: Int32, in actions: inout posix_spawn_file_actions_t) {
        typealias AddCloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
        guard let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else { return }
        // SAFETY: the type is the call's declaration in <spawn.h>.
        _ = unsafeBitCast(symbol, to: AddCloseFrom.self)(&actions, first)
    }

    /// Reads until a line is complete; what follows it is not read for. Blocks.
    /// - Returns: nil at the end of file, or after 4,096 bytes without a line.
    static func readLine(_ descriptor: Int32) -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.count < 4_096 {
            let count = read(descriptor, &byte, 1)
            if count < 0 && errno == EINTR { continue }
            guard count == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        return nil
    }

    /// Blocks until the child has ended; it stays a zombie, so that its id can belong to nobody else.
    static func waitForEnd(_ processID: pid_t) {
        var info = siginfo_t()
        while waitid(P_PID, id_t(processID), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
    }

    /// Takes the end of a child that has ended.
    static func reap(_ processID: pid_t) -> ExitStatus {
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7F
        return signal == 0 ? .exited(code: (status >> 8) & 0xFF) : .signalled(signal)
    }
}

/// The system started no process; `errorCode` is an errno.
package struct SpawnError: Error, Equatable, Sendable {
    package var errorCode: Int32
}
