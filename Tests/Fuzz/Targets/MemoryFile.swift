import Glibc

/// A file without a name that every input overwrites, in memory where the system has such a place: readers of model
/// files take paths.
final class MemoryFile {
    private let descriptor: Int32
    let path: String

    init?() {
        let folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var name = Array("\(folder)/fuzz-XXXXXX".utf8CString)
        descriptor = mkstemp(&name)
        guard descriptor >= 0 else { return nil }
        unlink(name)
        path = "/proc/self/fd/\(descriptor)"
    }

    /// The bytes it holds from now on. Nobody may have it mapped.
    func write(_ bytes: [UInt8]) -> Bool {
        ftruncate(descriptor, 0) == 0 && pwrite(descriptor, bytes, bytes.count, 0) == bytes.count
    }

    deinit { close(descriptor) }

    // SENDABLE: targets run on one thread at a time.
    nonisolated(unsafe) static let shared = MemoryFile()
}
