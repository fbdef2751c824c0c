/// Why a message of the link is not taken. Its description is a sentence for logs and for the peer's status.
package enum WireError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes are no message at all.
    case undecodable(message: String)
    case missing(field: String)
    case outOfRange(field: String, value: String, allowed: String)
    /// Two columns of one table have different lengths, or a column of counts does not add up to the column it divides.
    case columnsDisagree(field: String, count: Int, expected: Int)
    case notAscending(field: String)
    case unknownValue(field: String, value: Int)
    /// A command that this version of the protocol does not have. Commands are counted, so it cannot be passed over.
    case unknownCommand
    case noCommonVersion(theirs: ClosedRange<UInt32>, ours: ClosedRange<UInt32>)
    /// A tokenizer's pieces do not make up the whole that they announce.
    case incompleteTokenizer(byteCount: Int, expected: Int)
    case tooLarge(message: String, byteCount: Int, limit: Int)

    package var description: String {
        switch self {
        case .undecodable(let message): "The bytes are not a \(message) message."
        case .missing(let field): "The field \(field) is missing."
        case .outOfRange(let field, let value, let allowed): "\(field) is \(value); it must be \(allowed)."
        case .columnsDisagree(let field, let count, let expected):
            "\(field) has \(count) entries where the columns beside it call for \(expected)."
        case .notAscending(let field): "\(field) does not ascend."
        case .unknownValue(let field, let value): "\(field) is \(value), which this version does not know."
        case .unknownCommand: "The message holds no command that this version knows."
        case .noCommonVersion(let theirs, let ours):
            "The peer speaks versions \(theirs.lowerBound) to \(theirs.upperBound) of the protocol, "
                + "this side \(ours.lowerBound) to \(ours.upperBound)."
        case .incompleteTokenizer(let byteCount, let expected):
            "The tokenizer ended after \(byteCount) of \(expected) bytes."
        case .tooLarge(let message, let byteCount, let limit):
            "The \(message) has \(byteCount) bytes; \(limit) are allowed."
        }
    }
}
