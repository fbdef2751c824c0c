import OrderedCollections

/// Arguments of a filter, test, method, function or macro, evaluated.
struct ArgumentValues {
    private(set) var positional: [RuntimeValue]
    /// In the order of the call, which a mapping made of them has.
    private(set) var named: OrderedDictionary<String, RuntimeValue>

    init(_ positional: [RuntimeValue] = [], named: OrderedDictionary<String, RuntimeValue> = [:]) {
        self.positional = positional
        self.named = named
    }

    var isEmpty: Bool { positional.isEmpty && named.isEmpty }

    /// The next one in order or else by name; nil when there is none.
    mutating func take(_ name: String) -> RuntimeValue? {
        positional.isEmpty ? named.removeValue(forKey: name) : positional.removeFirst()
    }

    /// All that are left in order.
    mutating func takeAll() -> [RuntimeValue] {
        defer { positional = [] }
        return positional
    }

    mutating func takeNamed() -> OrderedDictionary<String, RuntimeValue> {
        defer { named = [:] }
        return named
    }
}
