package import Inference

/// By what names the client and its traces know a request: what somebody who complains can tell. For the log alone, and
/// only there where it is written. Holds nothing of the request's text, and no key.
package final class RequestOrigin: Sendable {
    /// The client's `x-request-id`, or the one it is told; nil where it has none.
    package let id: String?
    /// Pattern of the path, or the method of gRPC.
    package let route: String
    /// What the answer calls itself: "chatcmpl-…"; nil where it has no name.
    package let answer: String?
    package let trace: TraceID?

    package init(id: String?, route: String, answer: String?, trace: TraceID?) {
        self.id = id
        self.route = route
        self.answer = answer
        self.trace = trace
    }

    /// Names and values for a line of the log.
    package var fields: [(name: String, value: String)] {
        let all = [("route", route), ("id", id), ("answer", answer), ("trace", trace.map { "\($0)" })]
        return all.compactMap { name, value in value.map { (name, $0) } }
    }

    /// Bytes of a client's word that a line of the log holds at most.
    package static let wordByteMax = 128

    /// A client's word as a line of the log can hold it: one word of printable ASCII that looks like no other field.
    package static func plain(_ word: String) -> String {
        let bytes = word.utf8.prefix(wordByteMax).map { isPlain($0) ? $0 : UInt8(ascii: "?") }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool { isHarmless(byte) || ":/@+".utf8.contains(byte) }

    /// Of a word that means nothing to anyone who reads it by a program: a letter, a digit or one of ". _ -".
    package static func isHarmless(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
