/// What a template may cost. A template comes with a model file, so its author may wish us ill; and messages are long.
enum TemplateLimits {
    static let sourceByteCount = 1 << 20
    /// Blocks within blocks and brackets within brackets.
    static let parseDepth = 64
    /// Also counts chains such as `a + b + c`, which need no brackets to become deep.
    static let expressionDepth = 128
    static let nodeCount = 20_000
    static let stepCount = 1_000_000
    static let macroDepth = 16
    /// Expressions, statements and macros that are being evaluated within each other; 256 take below 512 KiB of stack.
    static let evaluationDepth = 256
    /// Of each text, the whole output included.
    static let textByteCount = 4 << 20
    /// Bytes that all operations together read, plus some times those that they make or look up one by one: the time and
    /// memory of a render.
    static let workByteCount = 256 << 20
    static let rangeCount = 100_000
    /// Lists within lists.
    static let valueDepth = 64
}
