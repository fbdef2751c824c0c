import Foundation
import TestSupport
import Testing

@testable import Weights

/// Whether a mapped file is known to have been written over.
@Suite struct FileMarkTests {
    /// - Parameter byteCount: of the file before.
    private static func isIntact(byteCount: Int, after change: (URL) throws -> Void) throws -> Bool {
        let folder = try TemporaryFolder()
        let file = URL(filePath: folder.path).appending(path: "model")
        try Data((0..<byteCount).map { UInt8(truncatingIfNeeded: $0 / 7) }).write(to: file)
        let mark = FileMark(try FileMapping(path: file.path))
        #expect(mark.isIntact)
        try change(file)
        return mark.isIntact
    }

    private static func overwrite(_ file: URL, _ bytes: Data) throws {
        let handle = try FileHandle(forWritingTo: file)
        try handle.write(contentsOf: bytes)
        try handle.close()
    }

    static let byteCounts = [1, 100, 4096, 4097, 300_000, 3_000_000]

    @Test(arguments: byteCounts) func `a file that another is copied over is not intact`(byteCount: Int) throws {
        #expect(try !Self.isIntact(byteCount: byteCount) { try Self.overwrite($0, Data(count: byteCount).inverted) })
    }

    @Test(arguments: byteCounts) func `one that is touched, moved or replaced by renaming is`(byteCount: Int) throws {
        #expect(
            try Self.isIntact(byteCount: byteCount) { file in
                try FileManager.default.setAttributes([.modificationDate: Date.distantPast], ofItemAtPath: file.path)
            })
        #expect(
            try Self.isIntact(byteCount: byteCount) { file in
                try FileManager.default.moveItem(at: file, to: file.appendingPathExtension("old"))
            })
        #expect(
            try Self.isIntact(byteCount: byteCount) { file in
                try Data(count: byteCount).inverted.write(to: file, options: .atomic)
            })
    }

    @Test(arguments: [-1, 1]) func `one of another length is not, and its bytes are not looked at`(more: Int) throws {
        #expect(
            try !Self.isIntact(byteCount: 300_000) { file in
                let handle = try FileHandle(forWritingTo: file)
                try handle.truncate(atOffset: UInt64(more < 0 ? 10 : 300_001))
                try handle.close()
            })
    }
}

extension Data {
    fileprivate var inverted: Data { Data(map { ~$0 }) }
}
