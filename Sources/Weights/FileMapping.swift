import Glibc

/// Why a file's bytes cannot be had: half a sentence.
struct UnreadableFile: Error {
    var reason: String
}

/// A file's bytes, mapped read-only for as long as this lives. Nobody writes to them.
///
/// A file that shrinks while it is mapped faults on access; Apus asks its operators to replace model files by
/// renaming, never in place. ``FileMark`` notices who does.
// SENDABLE: the only field is a constant and the memory behind it is read-only.
final class FileMapping: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let path: String
    /// As it was opened.
    private let status: stat

    init(path: String) throws(UnreadableFile) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.unreadable() }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.unreadable() }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw UnreadableFile(reason: "it is not a regular file")
        }
        guard status.st_size > 0 else {
            throw UnreadableFile(reason: "it is empty")
        }
        (self.path, self.status) = (path, status)
        let byteCount = Int(status.st_size)
        let start = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let start, start != MAP_FAILED else { throw Self.unreadable() }
        bytes = UnsafeRawBufferPointer(start: start, count: byteCount)
    }

    deinit {
        // SAFETY: the pages were mapped by init and nobody may keep a pointer longer than this object.
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Whether a folder is there.
    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Asks the kernel to read the whole file ahead.
    func willReadAll() {
        madvise(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count, MADV_WILLNEED)
    }

    /// Whether `path` leads to these very bytes on the disk.
    func isFile(at path: String) -> Bool { found(at: path) != nil }

    private func found(at path: String) -> stat? {
        var found = stat()
        guard stat(path, &found) == 0, found.st_dev == status.st_dev, found.st_ino == status.st_ino else { return nil }
        return found
    }

    enum State: Equatable {
        case asOpened
        case written
        /// Bytes past its end fault.
        case resized
        /// It is not there any more under its name.
        case unknown
    }

    /// Of the file on the disk, since it was opened.
    var state: State {
        guard let now = found(at: path) else { return .unknown }
        guard now.st_size == status.st_size else { return .resized }
        let (before, after) = (status.st_mtim, now.st_mtim)
        return before.tv_sec == after.tv_sec && before.tv_nsec == after.tv_nsec ? .asOpened : .written
    }

    private static func unreadable() -> UnreadableFile { UnreadableFile(reason: String(cString: strerror(errno))) }
}
