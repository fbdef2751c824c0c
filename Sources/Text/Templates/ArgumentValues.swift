/// Arguments of a filter, test, method, function or macro, evaluated.
struct ArgumentValues {
    private(set) var positional: [RuntimeValue]
    private(set) var named: [String: RuntimeValue]

    init(_ positional: [RuntimeValue] = [], named: [String: RuntimeValue] = [:]) {
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

    mutating func takeNamed() -> [String: RuntimeValue] {
        defer { named = [:] }
        return named
    }
}
