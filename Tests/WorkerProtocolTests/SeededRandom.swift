import Inference
import Text

/// Random numbers that a seed repeats. Source: SplitMix64, Steele, Lea and Flood, OOPSLA 2014.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var x = state
        x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
        return x ^ (x >> 31)
    }

    mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
    mutating func float(_ range: ClosedRange<Float>) -> Float { Float.random(in: range, using: &self) }
    mutating func bool() -> Bool { Bool.random(using: &self) }
    mutating func token() -> TokenID { TokenID(int(0...(int(0...9) == 0 ? Int(Int32.max) : 50_000))) }
    mutating func tokens(_ count: ClosedRange<Int>) -> [TokenID] { list(count) { $0.token() } }

    mutating func list<Element>(
        _ count: ClosedRange<Int>, _ make: (inout SeededRandom) -> Element
    ) -> [Element] {
        (0..<int(count)).map { _ in make(&self) }
    }

    mutating func word() -> String {
        let alphabet = Array("abcdefgh é漢字🙂\u{0}\n")
        return String(list(1...12) { alphabet[$0.int(0...(alphabet.count - 1))] })
    }

    mutating func pick<Element>(_ list: [Element]) -> Element { list[int(0...(list.count - 1))] }
}
