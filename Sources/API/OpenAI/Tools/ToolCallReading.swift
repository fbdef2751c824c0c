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
        let first = scanner.callCount
        return Self.piece(scanner.append(piece.text), tokens: piece.tokens, first: first, isParallel: isParallel)
    }

    /// What was held back, when the text is over.
    mutating func finish() -> AnswerPiece {
        let first = scanner.callCount
        return Self.piece(scanner.finish(), tokens: [], first: first, isParallel: isParallel)
    }

    /// - Parameter first: index of the next call.
    private static func piece(
        _ events: [ToolCallScanner.Event], tokens: [PlacedToken], first: Int, isParallel: Bool
    ) -> AnswerPiece {
        var piece = AnswerPiece(text: "", tokens: tokens)
        var next = first
        for event in events {
            let isMuted = !isParallel && next > 1
            switch event {
            case .text(let text):
                if isParallel || next == 0 { piece.text += text }
            case .call(let name):
                if isParallel || next == 0 { piece.calls.append(CalledPiece(index: next, name: name)) }
                next += 1
            case .arguments(let text):
                if !isMuted { piece.add(arguments: text, to: next - 1) }
            }
        }
        return piece
    }
}

extension AnswerPiece {
    fileprivate mutating func add(arguments: String, to index: Int) {
        if calls.last?.index == index {
            calls[calls.count - 1].arguments += arguments
        } else {
            calls.append(CalledPiece(index: index, arguments: arguments))
        }
    }
}
