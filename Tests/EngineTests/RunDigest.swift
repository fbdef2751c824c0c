/// FNV-1a over whatever is fed to it: one number that stands for all that came out of a run.
struct Digest: CustomStringConvertible {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func feed(_ value: some Any) {
        for byte in String(describing: value).utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }

    var description: String { String(state, radix: 16) }
}
