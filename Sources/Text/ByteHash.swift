import Inference

extension Span<UInt8> {
    /// Of the length and all bytes, eight at a time. The upper bits are the better ones. Who may choose the bytes finds some with
    /// equal hashes.
    var mixedHash: UInt64 {
        var hash = UInt64(truncatingIfNeeded: count)
        var at = 0
        while at < count {
            hash = (hash ^ hash >> 32 ^ word(at: at, before: count)) &* 0x9E37_79B9_7F4A_7C15
            at += 8
        }
        return hash
    }
}
