import Glibc

/// What ties a worker to the process that started it.
package enum ProcessTies {
    /// Asks the kernel to kill this process when the thread that started it ends, which for a supervisor's worker is when
    /// the supervisor does. Call it first thing, on the main thread.
    /// - Parameters:
    ///   - announceDescriptor: the pipe to the parent, if there is one: a pipe that nobody reads any more tells that the
    ///     parent was gone before the kernel was asked.
    /// - Returns: false when the parent is gone already: the process should end.
    package static func dieWithParent(announceDescriptor: Int32?) -> Bool {
        let parent = getppid()
        // Swift sees no function with variable arguments. SAFETY: on the ABIs of x86-64 and arm64 Linux, prctl's integer
        // arguments travel as those of a function with fixed ones; PR_SET_PDEATHSIG is 1 and reads the first.
        typealias ProcessControl =
            @convention(c) (CInt, CUnsignedLong, CUnsignedLong, CUnsignedLong, CUnsignedLong)
            -> CInt
        if let symbol = dlsym(nil, "prctl") {
            _ = unsafeBitCast(symbol, to: ProcessControl.self)(1, CUnsignedLong(SIGKILL), 0, 0, 0)
        }
        guard getppid() == parent else { return false }
        guard let announceDescriptor else { return true }
        var entry = pollfd(fd: announceDescriptor, events: 0, revents: 0)
        return poll(&entry, 1, 0) == 0
    }

    /// Tells the supervisor why this worker will never be ready. For a worker that has not been.
    package static func announceFailure(_ sentence: String, to descriptor: Int32) {
        let line = Array("!".utf8) + sentence.utf8.prefix(4_000).map { $0 < 0x20 ? 0x20 : $0 } + Array("\n".utf8)
        _ = write(descriptor, line, line.count)
    }

    /// Tells the supervisor where this worker listens, once it is ready.
    static func announce(port: Int, metricsPort: Int, to descriptor: Int32) {
        let line = Array("\(port) \(metricsPort)\n".utf8)
        _ = write(descriptor, line, line.count)
        close(descriptor)
    }
}
