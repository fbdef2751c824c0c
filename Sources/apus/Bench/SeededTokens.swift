/// Tokens of prompts that mean nothing: the same ones for the same seed. Source: the linear congruential generator of Knuth's
/// MMIX.
struct SeededTokens {
    var state: UInt64

    mutating func next(below end: UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) % end
    }
}
