/// Holds text back while it may be the beginning of a stop string, and cuts at the first one that completes.
///
/// The stop string whose last byte comes first wins, and of those that end together the one that began first. So the
/// result does not depend on how the text was cut into pieces.
package struct StopStringFilter: Sendable {
    private let stops: [(text: String, bytes: [UInt8])]
    private let includesStopString: Bool
    /// Text not shown yet: a beginning of a stop string.
    private var held: [UInt8] = []

    package init(stopStrings: [String], includesStopString: Bool) {
        stops = stopStrings.filter { !$0.isEmpty }.map { ($0, Array($0.utf8)) }
        self.includesStopString = includesStopString
    }

    package struct Output: Equatable, Sendable {
        /// Text that is safe to show.
        package var text: String
        /// The stop string that was completed; nothing may follow.
        package var matched: String?
        package init(text: String, matched: String?) {
            self.text = text
            self.matched = matched
        }
    }

    package mutating func process(_ text: String) -> Output {
        guard !stops.isEmpty else { return Output(text: text, matched: nil) }
        let known = held.count
        held += Array(text.utf8)
        for end in known..<held.count {
            let complete = stops.filter { held[...end].suffix($0.bytes.count).elementsEqual($0.bytes) }
            if let stop = complete.max(by: { $0.bytes.count < $1.bytes.count }) {
                let cut = includesStopString ? end + 1 : end + 1 - stop.bytes.count
                defer { held = [] }
                return Output(text: String(decoding: held[..<cut], as: UTF8.self), matched: stop.text)
            }
        }
        let safe = held.count - heldByteCount()
        defer { held.removeFirst(safe) }
        return Output(text: String(decoding: held[..<safe], as: UTF8.self), matched: nil)
    }

    /// What was held back, when the text ended otherwise.
    package mutating func finish() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }

    /// Length of the longest end of `held` that is a beginning of a stop string.
    private func heldByteCount() -> Int {
        let longest = stops.map { $0.bytes.count - 1 }.max() ?? 0
        return (0...min(longest, held.count)).reversed().first { length in
            stops.contains { $0.bytes.count > length && held.suffix(length).elementsEqual($0.bytes.prefix(length)) }
        } ?? 0
    }
}
