import NIOCore

/// Cuts a stream of server-sent events into the payloads of its `data:` lines.
struct EventLines {
    private var pending: [UInt8] = []

    /// - Returns: payloads that became complete; "[DONE]" is one.
    mutating func append(_ bytes: ByteBuffer) -> [[UInt8]] {
        var payloads: [[UInt8]] = []
        for byte in bytes.readableBytesView {
            guard byte == UInt8(ascii: "\n") else {
                pending.append(byte)
                continue
            }
            if pending.last == UInt8(ascii: "\r") { pending.removeLast() }
            if pending.starts(with: "data: ".utf8) { payloads.append(Array(pending.dropFirst(6))) }
            pending.removeAll(keepingCapacity: true)
        }
        return payloads
    }
}
