import Text

/// How the calls in an answer are to be read.
struct ToolCallReading: Equatable, Sendable {
    var dialect: ToolDialect
    /// False: the first call is the only one.
    var isParallel: Bool
    /// The answer is a call from its first character on.
    var isForced = false
}

/// A stretch of a call, as deltas show it.
struct CalledPiece: Equatable, Sendable {
    /// Of the choice's calls.
    var index: Int
    /// With the call's first stretch.
    var name: String?
    var arguments = ""
}

/// Divides one choice's text into what it says and what it calls.
struct ToolCallDivider: Sendable {
    private var scanner: ToolCallScanner
    private let isParallel: Bool

    init(_ reading: ToolCallReading) {
        scanner = ToolCallScanner(reading.dialect, isOpened: reading.isForced)
        isParallel = reading.isParallel
    }

    var hasCalled: Bool { scanner.callCount > 0 }

    /// A whole answer.
    static func divide(_ piece: AnswerPiece, _ reading: ToolCallReading) -> AnswerPiece {
        var divider = ToolCallDivider(reading)
        var divided = divider.divide(piece)
        divided.append(divider.finish())
        return divided
    }

    /// Takes note of text that the client has.
    mutating func skip(_ text: String) { _ = scanner.append(text) }

    mutating func divide(_ piece: AnswerPiece) -> AnswerPiece {
        shown(piece.tokens) { $0.append(piece.text) }
    }

    /// What was held back, when the text is over.
    mutating func finish() -> AnswerPiece { shown([]) { $0.finish() } }

    private mutating func shown(
        _ tokens: [PlacedToken], _ scan: (inout ToolCallScanner) -> [ToolCallScanner.Event]
    ) -> AnswerPiece {
        var piece = AnswerPiece(tokens: tokens)
        var callCount = scanner.callCount
        for event in scan(&scanner) {
            switch event {
            case .text(let text):
                if isParallel || callCount == 0 { piece.text += text }
            case .call(let name):
                if isParallel || callCount == 0 { piece.append(CalledPiece(index: callCount, name: name)) }
                callCount += 1
            case .arguments(let text):
                if isParallel || callCount == 1 { piece.append(CalledPiece(index: callCount - 1, arguments: text)) }
            }
        }
        return piece
    }
}
