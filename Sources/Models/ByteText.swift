/// Byte counts for people.
enum ByteText {
    /// "512 MiB", "1.5 GiB": rounded up, so that a need is never understated.
    static func mebibytes(_ byteCount: Int) -> String {
        let mebi = (Double(byteCount) / 0x1p20).rounded(.up)
        if mebi < 10_240 { return "\(Int(mebi)) MiB" }
        let tenths = (Double(byteCount) / 0x1p30 * 10).rounded(.up)
        return "\(Int(tenths) / 10).\(Int(tenths) % 10) GiB"
    }
}
