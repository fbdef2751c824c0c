/// Holds text back while it may be the beginning of a stop string, and cuts at the first one that completes.
package struct StopStringFilter: Sendable {
    package init(stopStrings: [String], includesStopString: Bool) {}

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

    package mutating func process(_ text: String) -> Output { Output(text: text, matched: nil) }

    /// What was held back, when the text ended otherwise.
    package mutating func finish() -> String { "" }
}
