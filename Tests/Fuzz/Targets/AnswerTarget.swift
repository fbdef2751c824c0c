import Text

/// What a model says, looked through for stop strings and calls of tools: a byte that chooses, and the text, whose NULs
/// end stop strings. Results must not depend on how the text is cut into pieces.
enum AnswerTarget {
    static func run(_ bytes: [UInt8]) -> String? {
        guard let first = bytes.first else { return nil }
        let rest = bytes.dropFirst()
        return first & 1 == 0 ? stops(rest, includes: first & 2 != 0) : calls(rest, first >> 1)
    }

    private static func stops(_ bytes: ArraySlice<UInt8>, includes: Bool) -> String? {
        let parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        let (stops, text) = (Array(parts.dropLast().prefix(8)), parts.last ?? "")
        func read(_ pieces: [String]) -> String {
            var filter = StopStringFilter(stopStrings: stops, includesStopString: includes)
            var said = ""
            for piece in pieces {
                let output = filter.process(piece)
                said += output.text
                if let matched = output.matched { return said + "|" + matched }
            }
            return said + filter.finish()
        }
        return same(read([text]), read(text.unicodeScalars.map { String($0) }))
    }

    private static func calls(_ bytes: ArraySlice<UInt8>, _ choice: UInt8) -> String? {
        let text = String(decoding: bytes, as: UTF8.self)
        let dialect = ToolDialect.allCases[Int(choice >> 1) % ToolDialect.allCases.count]
        func read(_ pieces: [String]) -> String {
            var scanner = ToolCallScanner(dialect, isOpened: choice & 1 != 0)
            var events: [ToolCallScanner.Event] = []
            for piece in pieces { events += scanner.append(piece) }
            events += scanner.finish()
            return joined(events)
        }
        return same(read([text]), read(text.unicodeScalars.map { String($0) }))
    }

    /// One line for each run of events of a kind.
    private static func joined(_ events: [ToolCallScanner.Event]) -> String {
        var (told, kind) = ("", 0)
        for event in events {
            switch event {
            case .text(let text):
                told += (kind == 1 ? "" : "\ntext ") + text
                kind = 1
            case .call(let name):
                told += "\ncall " + name
                kind = 2
            case .arguments(let text):
                told += (kind == 3 ? "" : "\narguments ") + text
                kind = 3
            }
        }
        return told
    }

    private static func same(_ whole: String, _ pieces: String) -> String? {
        whole.utf8.elementsEqual(pieces.utf8)
            ? nil : "\(whole.debugDescription) in one piece is \(pieces.debugDescription) in several"
    }
}
