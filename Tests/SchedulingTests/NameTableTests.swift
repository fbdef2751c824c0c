import Inference
import TestSupport
import Testing

@testable import Scheduling

@Suite struct NameTableTests {
    @Test func `a table holds what a dictionary holds, whatever comes and goes`() {
        var random = SeededRandom(seed: 11)
        // Names that follow each other, names far apart, and few of them: so that chains form and holes are filled.
        for spread: UInt64 in [1, 8, 1 << 32, 0x1000_0001] {
            var table = NameTable<RequestID, Int>()
            var dictionary: [RequestID: Int] = [:]
            for step in 0..<20_000 {
                let name = RequestID(random.next() % 60 &* spread)
                if random.next() % 5 < (step < 10_000 ? 3 : 2) {
                    table.set(name, step)
                    dictionary[name] = step
                } else {
                    #expect(table.remove(name) == dictionary.removeValue(forKey: name))
                }
                let asked = RequestID(random.next() % 60 &* spread)
                #expect(table[asked] == dictionary[asked] && table.contains(asked) == (dictionary[asked] != nil))
                #expect(table.count == dictionary.count)
            }
            #expect(Set(table.names) == Set(dictionary.keys) && table.names.count == dictionary.count)
            for name in dictionary.keys { #expect(table[name] == dictionary[name]) }
        }
    }

    @Test func `an empty table has nothing`() {
        var table = NameTable<ChoiceID, Int>()
        #expect(table[ChoiceID(RequestID(1), 0)] == nil)
        #expect(table.remove(ChoiceID(RequestID(1), 0)) == nil && table.names.isEmpty)
    }
}
