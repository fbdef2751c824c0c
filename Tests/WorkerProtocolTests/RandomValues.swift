import Inference
import Text
import TestSupport

extension SeededRandom {
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
