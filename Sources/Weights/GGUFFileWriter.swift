import Glibc

/// Writes a GGUF file of version 3: the header at once, then tensor after tensor as their bytes come.
///
/// The file grows under a temporary name beside its own and gets that only when it is whole: nobody ever sees half a
/// file, and an error leaves what was there before.
package final class GGUFFileWriter {
    /// A tensor to come. Its bytes follow in the order of the list.
    package struct Tensor: Equatable, Sendable {
        package var name: String
        package var type: GGUFTensorType
        /// From the innermost.
        package var dimensions: [Int]

        package init(name: String, type: GGUFTensorType, dimensions: [Int]) {
            self.name = name
            self.type = type
            self.dimensions = dimensions
        }
    }

    package let path: String
    /// Of the whole file.
    package let fileByteCount: Int
    /// Where the file grows, of its full size from the beginning.
    package let temporaryPath: String

    private let descriptor: Int32
    private let alignment: Int
    private let byteCounts: [Int]
    /// The tensor whose bytes come next, and how many of them are there.
    private var index = 0
    private var written = 0
    private var isFinished = false

    /// Writes the header and reserves room for the rest.
    package init(path: String, metadata: GGUFEntries, tensors: [Tensor]) throws(GGUFError) {
        self.path = path
        alignment = metadata.alignment
        var header = HeaderBytes()
        do throws(GGUFFault) {
            byteCounts = try header.append(metadata, tensors)
            header.pad(to: metadata.alignment)
            fileByteCount = try Self.total(header.bytes.count, byteCounts, alignment: metadata.alignment)
        } catch {
            throw GGUFError(path: path, fault: error)
        }

        var status = stat()
        guard stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
            throw GGUFError(path: path, fault: .unwritable(reason: "something that is not a regular file is there"))
        }
        temporaryPath = "\(path).\(getpid()).part"
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.failure(path, errno) }
        try reserveRoom()
        try check(header.bytes.withUnsafeBytes(store))
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        if !isFinished { unlink(temporaryPath) }
    }

    /// The next bytes of the tensors: all of one, or a part. Padding comes by itself.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(GGUFError) {
        precondition(
            index < byteCounts.count && bytes.count <= byteCounts[index] - written,
            "\(bytes.count) bytes more than tensor \(index) has")
        try check(store(bytes))
        written += bytes.count
        guard written == byteCounts[index] else { return }
        let padding = [UInt8](repeating: 0, count: (alignment - written % alignment) % alignment)
        try check(padding.withUnsafeBytes(store))
        index += 1
        written = 0
    }

    /// Gives the file its name, once its bytes are safe on the disk.
    package func finish() throws(GGUFError) {
        precondition(index == byteCounts.count, "\(byteCounts.count - index) tensors are still to come")
        guard fsync(descriptor) == 0, rename(temporaryPath, path) == 0 else { throw Self.failure(path, errno) }
        isFinished = true
    }

    /// A full disk should show before an hour of work. Where a file system cannot reserve, it shows later.
    private func reserveRoom() throws(GGUFError) {
        while true {
            let code = posix_fallocate(descriptor, 0, fileByteCount)
            switch code {
            case EINTR: continue
            case ENOSPC, EFBIG, EDQUOT: return try check(code)
            default: return
            }
        }
    }

    private func check(_ code: Int32) throws(GGUFError) {
        switch code {
        case 0: return
        case ENOSPC, EFBIG, EDQUOT: throw GGUFError(path: path, fault: .noRoom(byteCount: fileByteCount))
        default: throw Self.failure(path, code)
        }
    }

    /// - Returns: 0, or the system's error code.
    private func store(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            // SAFETY: the bytes are the caller's for the time of the call.
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count == 0 || errno != EINTR {
                return count == 0 ? ENOSPC : errno
            }
        }
        return 0
    }

    private static func failure(_ path: String, _ code: Int32) -> GGUFError {
        GGUFError(path: path, fault: .unwritable(reason: String(cString: strerror(code))))
    }

    private static func total(
        _ headerByteCount: Int, _ byteCounts: [Int], alignment: Int
    ) throws(GGUFFault) -> Int {
        var total = headerByteCount
        for count in byteCounts {
            total = try end(after: total, count, alignment: alignment)
        }
        return total
    }

    /// Where the next tensor begins behind one of `byteCount` bytes at `offset`, which is aligned.
    fileprivate static func end(after offset: Int, _ byteCount: Int, alignment: Int) throws(GGUFFault) -> Int {
        // Room for the padding is asked for as well: less than 65536 bytes.
        let (sum, overflow) = offset.addingReportingOverflow(byteCount)
        guard !overflow, sum <= .max - alignment else { throw .tooLarge }
        return (sum + alignment - 1) & ~(alignment - 1)
    }
}

/// A header in the making.
private struct HeaderBytes {
    private(set) var bytes: [UInt8] = Array("GGUF".utf8)

    /// Everything but the padding before the first tensor's bytes.
    /// - Returns: the bytes that each tensor takes.
    mutating func append(
        _ metadata: GGUFEntries, _ tensors: [GGUFFileWriter.Tensor]
    ) throws(GGUFFault) -> [Int] {
        append(UInt32(3))
        append(UInt64(tensors.count))
        append(UInt64(metadata.entries.count))
        for entry in metadata.entries {
            append(entry.key)
            bytes += entry.encoded
        }
        var byteCounts: [Int] = []
        var offset = 0
        for tensor in tensors {
            guard let byteCount = tensor.type.byteCount(dimensions: tensor.dimensions) else {
                throw .tensorTooLarge(tensor: tensor.name, dimensions: tensor.dimensions)
            }
            append(tensor.name)
            append(UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { append(UInt64(dimension)) }
            append(tensor.type.rawValue)
            append(UInt64(offset))
            byteCounts.append(byteCount)
            offset = try GGUFFileWriter.end(after: offset, byteCount, alignment: metadata.alignment)
        }
        return byteCounts
    }

    mutating func pad(to alignment: Int) {
        bytes += [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
    }

    private mutating func append(_ number: some FixedWidthInteger) { bytes.append(littleEndian: number) }

    private mutating func append(_ text: String) { bytes.append(text: text) }
}
