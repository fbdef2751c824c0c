/// Random numbers that a seed repeats. Source: SplitMix64, Steele, Lea and Flood, OOPSLA 2014.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    static func mix(_ x: UInt64) -> UInt64 {
        var x = x
        x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
        return x ^ (x >> 31)
    }

    mutating func bool(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &self) < probability }
}

/// FNV-1a over whatever is fed to it: one number that stands for all that came out of a run.
struct Digest: CustomStringConvertible {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func feed(_ value: some Any) {
        for byte in String(describing: value).utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }

    var description: String { String(state, radix: 16) }
}
