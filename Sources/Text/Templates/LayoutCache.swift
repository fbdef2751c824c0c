import Synchronization

/// How a template writes the shapes of chats that it was given last. Each place holds one. Bounded: a layout is as long as
/// the template makes it, but for the contents.
final class LayoutCache: Sendable {
    /// nil where the template looks into the contents, so that there is none.
    typealias Layout = OpenText?

    private struct Entry {
        var shape: ChatShape
        var layout: Layout
    }

    private static let byteMax = 64 << 10
    /// As many as a power of two.
    private let entries = Mutex([Entry?](repeating: nil, count: 64))

    private static func place(of shape: ChatShape) -> Int {
        Int(truncatingIfNeeded: (shape.bits &* 0x9E37_79B9_7F4A_7C15) >> 58)
    }

    /// - Returns: nil where the shape is not known, or when another thread looks just now: `make` is no slower than waiting.
    func layout(of shape: ChatShape, make: () -> Layout) -> Layout {
        let known = entries.withLockIfAvailable { entries -> Layout? in
            guard let entry = entries[Self.place(of: shape)], entry.shape == shape else { return nil }
            return .some(entry.layout)
        }
        if let known = known ?? nil { return known }
        var layout = make()
        if let bytes = layout?.bytes, bytes.count > Self.byteMax { layout = nil }
        entries.withLockIfAvailable { $0[Self.place(of: shape)] = Entry(shape: shape, layout: layout) }
        return layout
    }
}
