#if compiler(<6.3)
/// What the standard library has from Swift 6.3 on, for the compiler before it, in more steps.
extension Array {
    mutating func append(addingCapacity count: Int, initializingWith write: (inout OutputSpan<Element>) -> Void) {
        // SAFETY: the span is of the buffer, and gone before the closure ends.
        let added = unsafe Array(unsafeUninitializedCapacity: count) { buffer, initializedCount in
            var span = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
            write(&span)
            initializedCount = unsafe span.finalize(for: buffer)
        }
        append(contentsOf: added)
    }
}
#endif
