import CResolver
import NIOCore
import NIOPosix

/// SRV records: hosts and ports of a service in DNS.
///
/// Priorities and weights are left aside: which worker gets what is decided by what workers report.
/// Source: RFC 2782; RFC 1035, section 4, for the messages.
enum ServiceRecords {
    enum Failure: Error, Equatable {
        /// Of netdb.h's h_errno: no such name, no answer in time, and so on.
        case notFound(code: Int32)
        /// An answer that ends too early, points forward in itself, or names what is no host.
        case malformed
    }

    static let typeSRV: UInt16 = 33

    /// Asks the system's resolver, on a thread that may wait for it.
    static func addresses(of name: String, on eventLoop: any EventLoop) -> EventLoopFuture<[WorkerAddress]> {
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { try addresses(of: name) }
    }

    static func addresses(of name: String) throws(Failure) -> [WorkerAddress] {
        // 64 KiB: no message of DNS is longer.
        var answer = [UInt8](repeating: 0, count: 1 << 16)
        var error: Int32 = 0
        // SAFETY: the resolver writes at most as many bytes as it is told there are.
        let length = answer.withUnsafeMutableBufferPointer {
            apus_query_srv(name, $0.baseAddress, Int32(truncatingIfNeeded: $0.count), &error)
        }
        guard length >= 0 else { throw .notFound(code: error) }
        return try parse(Array(answer.prefix(Int(length))))
    }

    /// The targets of a message's SRV answers, in their order.
    static func parse(_ message: [UInt8]) throws(Failure) -> [WorkerAddress] {
        var reader = MessageReader(bytes: message)
        // Identifier and flags.
        try reader.skip(4)
        let (questionCount, answerCount) = (try reader.word(), try reader.word())
        // Counts of authorities and of additional records, which stand behind the answers.
        try reader.skip(4)
        for _ in 0..<questionCount {
            _ = try reader.name()
            try reader.skip(4)
        }
        var addresses: [WorkerAddress] = []
        for _ in 0..<answerCount {
            _ = try reader.name()
            let type = try reader.word()
            // Class and time to live.
            try reader.skip(6)
            let length = Int(try reader.word())
            guard type == typeSRV else {
                try reader.skip(length)
                continue
            }
            let end = reader.at + length
            // Priority and weight.
            try reader.skip(4)
            let port = Int(try reader.word())
            let host = try reader.name()
            guard reader.at == end else { throw .malformed }
            // "." says that there is no such service.
            guard !host.isEmpty else { continue }
            guard port > 0, host.utf8.count <= 253 else { throw .malformed }
            addresses.append(WorkerAddress(host: host, port: port))
        }
        return addresses
    }

    static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

/// Reads a message of DNS from its beginning.
private struct MessageReader {
    let bytes: [UInt8]
    private(set) var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func skip(_ count: Int) throws(ServiceRecords.Failure) {
        guard count <= bytes.count - at else { throw .malformed }
        at += count
    }

    mutating func word() throws(ServiceRecords.Failure) -> UInt16 {
        guard bytes.count - at >= 2 else { throw .malformed }
        defer { at += 2 }
        return UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1])
    }

    /// A name, which may end in a pointer to an earlier part of the message. "" is the root.
    mutating func name() throws(ServiceRecords.Failure) -> String {
        var labels: [String] = []
        var place = at
        // A pointer must point before the part it ends, so that no chain of them goes round.
        var limit = at
        var hasJumped = false
        while true {
            guard place < bytes.count else { throw .malformed }
            let length = Int(bytes[place])
            switch length {
            case 0:
                if !hasJumped { at = place + 1 }
                return labels.joined(separator: ".")
            case 1...63:
                guard place + length < bytes.count, labels.count < 127 else { throw .malformed }
                let label = bytes[place + 1...place + length]
                guard label.allSatisfy({ ServiceRecords.isHostByte($0) || $0 == UInt8(ascii: "_") }) else {
                    throw .malformed
                }
                labels.append(String(decoding: label, as: UTF8.self))
                place += 1 + length
            case 0xC0...0xFF:
                guard place + 1 < bytes.count else { throw .malformed }
                let target = (length & 0x3F) << 8 | Int(bytes[place + 1])
                guard target < limit else { throw .malformed }
                if !hasJumped { at = place + 2 }
                hasJumped = true
                limit = target
                place = target
            default: throw .malformed
            }
        }
    }
}
