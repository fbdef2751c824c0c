import NIOCore
import Serving

/// How a dialect writes the one answer that its requests have, whole or in pieces.
///
/// A stream is an opening, pieces, and an end or a failure; a whole answer is one `writeWhole`.
protocol ReplyEncoder {
    /// What stands before the name of an answer; nil where answers have no names.
    static var namePrefix: StaticString? { get }
    /// Content type of its streams.
    static var streamType: String { get }

    mutating func writeOpening(into buffer: inout ByteBuffer)
    /// - Parameter piece: text, then calls; never empty.
    mutating func writePiece(_ piece: AnswerPiece, into buffer: inout ByteBuffer)
    /// - Parameter piece: what was held back till then.
    mutating func writeEnd(_ piece: AnswerPiece, _ end: ReplyEnd, into buffer: inout ByteBuffer)
    mutating func writeFailure(_ error: APIError, into buffer: inout ByteBuffer)
    /// Something that clients skip, for streams that are silent for long.
    func writeKeepAlive(into buffer: inout ByteBuffer)

    mutating func writeWhole(_ piece: AnswerPiece, _ end: ReplyEnd, into buffer: inout ByteBuffer)
}

/// What is known of an answer when it is over.
struct ReplyEnd {
    var reason: FinishReason
    var usage: Usage
    /// Since the request was read, in nanoseconds.
    var nanoseconds: ReplyTimes
}

/// Nanoseconds since the request was read: of the first text, and of the end.
struct ReplyTimes {
    var first: Int64
    var end: Int64
}

/// What dialects write about an answer besides its content.
struct ReplyName {
    /// 128 random bits in hexadecimal.
    var text: String
    var requestID: String
    /// Seconds since 1970.
    var created: Int64
    var model: String
    var promptTokenCount: Int
}
