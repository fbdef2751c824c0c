/// Divides a model's text into what is said and what is called, as it comes.
///
///     text ──opening──▶ between calls ──▶ in a call ──▶ between calls ──▶ … ──▶ text
///
/// The events of a text, joined, do not depend on how it was cut into pieces. White space around calls is nobody's.
/// What begins like a call and proves to be none is text; a call that was told already ends where it breaks.
package struct ToolCallScanner: Sendable {
    package enum Event: Equatable, Sendable {
        case text(String)
        /// A call begins; its arguments follow.
        case call(name: String)
        /// More of the last call's arguments, as the model writes them: the text of a JSON object.
        case arguments(String)
    }

    private enum State: Sendable {
        case text
        /// An opening was read, or a call.
        case betweenCalls
        /// Of Hermes: in the mark behind a call.
        case inClosing
        /// Of Mistral's newer form: a name and marks, up to the arguments.
        case inName([UInt8])
        case inCall(ToolCallReader)
    }

    private let dialect: ToolDialect
    private let opening: [UInt8]
    private var state = State.text
    /// Read and not told: what may become a mark, white space, a call whose name is not known.
    private var held: [UInt8] = []
    /// While in text: how much of the beginning of `held` is white space. What may become a mark follows.
    private var heldSpaceCount = 0
    private var said: [UInt8] = []
    private var events: [Event] = []
    private var isCallTold = false
    private var hasSaid = false
    /// Calls told so far.
    package private(set) var callCount = 0

    /// - Parameter isOpened: whether the prompt ends with an opening, so that the text begins with a call.
    package init(_ dialect: ToolDialect, isOpened: Bool = false) {
        self.dialect = dialect
        if isOpened { state = .betweenCalls }
        opening = Array(dialect.opening.utf8)
    }

    package mutating func append(_ text: String) -> [Event] {
        for byte in text.utf8 { read(byte) }
        return takeEvents()
    }

    /// No text follows.
    package mutating func finish() -> [Event] {
        // White space behind calls is dropped; that of a text without calls is the text's.
        if callCount == 0 || held.contains(where: { !$0.isASCIISpace }) { giveUp() }
        return takeEvents()
    }

    // MARK: - Bytes

    private static let closing = Array("</tool_call>".utf8)
    private static let nameByteMax = 256

    private mutating func read(_ byte: UInt8) {
        switch state {
        case .text: readText(byte)
        case .betweenCalls: readBetween(byte)
        case .inClosing: readClosing(byte)
        case .inName(let name): readName(name + [byte])
        case .inCall(let reader):
            // Gives the state's copy up, so that the reader is changed in place.
            state = .betweenCalls
            readCall(byte, reader)
        }
    }

    private mutating func readText(_ byte: UInt8) {
        let isFirst = !hasSaid && callCount == 0 && held.count == heldSpaceCount
        if dialect == .llama3, isFirst, byte == UInt8(ascii: "{") { return beginCall(ToolCallReader(), byte) }
        held.append(byte)
        if held.suffix(opening.count).elementsEqual(opening) {
            held.removeLast(opening.count)
            while let last = held.last, last.isASCIISpace { held.removeLast() }
            say(held)
            held = opening
            heldSpaceCount = 0
            state = .betweenCalls
            return
        }
        var markCount = min(opening.count - 1, held.count)
        while markCount > 0 && !held.suffix(markCount).elementsEqual(opening.prefix(markCount)) { markCount -= 1 }
        let markStart = held.count - markCount
        var start = markStart
        while start > heldSpaceCount && held[start - 1].isASCIISpace { start -= 1 }
        // White space that was held before has been looked at.
        if start <= heldSpaceCount { start = 0 }
        heldSpaceCount = markStart - start
        guard start > 0 else { return }
        say(Array(held[..<start]))
        held.removeFirst(start)
    }

    private mutating func readBetween(_ byte: UInt8) {
        let isOpened = !held.isEmpty
        switch (dialect, byte) {
        case (_, let byte) where byte.isASCIISpace: break
        case (_, UInt8(ascii: "{")): beginCall(ToolCallReader(), byte)
        case (.hermes, UInt8(ascii: "<")) where !isOpened:
            held = [byte]
            state = .inClosing
        case (.llama3, UInt8(ascii: ";")), (.llama3, UInt8(ascii: ",")), (.mistral, UInt8(ascii: ",")):
            if isOpened { fail(at: byte) }
        case (.mistral, UInt8(ascii: "[")) where held.count == opening.count: held.append(byte)
        case (.mistral, UInt8(ascii: "]")) where !isOpened: state = .text
        case (.mistral, _) where held.count == opening.count: readName([byte])
        default: fail(at: byte)
        }
    }

    private mutating func readClosing(_ byte: UInt8) {
        held.append(byte)
        if held.elementsEqual(Self.closing) {
            held = []
            state = .text
        } else if !Self.closing.starts(with: held) {
            // Perhaps the next opening, where a closing mark is missing.
            let read = held
            held = []
            heldSpaceCount = 0
            state = .text
            for byte in read { readText(byte) }
        }
    }

    /// `name[ARGS]{`, perhaps with `[CALL_ID]…` between them, perhaps without marks.
    private mutating func readName(_ bytes: [UInt8]) {
        guard bytes.last == UInt8(ascii: "{") else {
            held.append(contentsOf: bytes.suffix(1))
            state = .inName(bytes)
            if bytes.count > Self.nameByteMax { giveUp() }
            return
        }
        let name = String(decoding: bytes.dropLast(), as: UTF8.self).prefix { $0 != "[" && $0 != " " }
        guard !name.isEmpty else { return fail(at: UInt8(ascii: "{")) }
        beginCall(ToolCallReader(name: String(name)), UInt8(ascii: "{"))
    }

    private mutating func beginCall(_ reader: ToolCallReader, _ byte: UInt8) {
        isCallTold = false
        heldSpaceCount = 0
        readCall(byte, reader)
    }

    private mutating func readCall(_ byte: UInt8, _ old: ToolCallReader) {
        var reader = old
        let outcome = reader.read(byte)
        if !isCallTold { held.append(byte) }
        guard outcome != .malformed else {
            guard isCallTold else { return giveUp() }
            tell(arguments: reader.takeArguments())
            state = .betweenCalls
            if !reader.isInArguments { readBetween(byte) }
            return
        }
        if !isCallTold, reader.hasArguments, let name = reader.name {
            isCallTold = true
            held = []
            flushSaid()
            events.append(.call(name: name))
            callCount += 1
        }
        if outcome == .done {
            tell(arguments: reader.takeArguments())
            state = .betweenCalls
        } else {
            state = .inCall(reader)
        }
    }

    /// Nothing of the kind can begin with the byte.
    private mutating func fail(at byte: UInt8) {
        giveUp()
        readText(byte)
    }

    /// What is held is text.
    private mutating func giveUp() {
        say(held)
        held = []
        heldSpaceCount = 0
        state = .text
    }

    // MARK: - Events

    private mutating func say(_ bytes: [UInt8]) {
        hasSaid = hasSaid || bytes.contains { !$0.isASCIISpace }
        said += bytes
    }

    private mutating func tell(arguments text: String) {
        guard !text.isEmpty else { return }
        if case .arguments(let before)? = events.last {
            events[events.count - 1] = .arguments(before + text)
        } else {
            events.append(.arguments(text))
        }
    }

    private mutating func flushSaid() {
        guard !said.isEmpty else { return }
        events.append(.text(String(decoding: said, as: UTF8.self)))
        said = []
    }

    private mutating func takeEvents() -> [Event] {
        flushSaid()
        if case .inCall(var reader) = state, isCallTold {
            tell(arguments: reader.takeArguments())
            state = .inCall(reader)
        }
        defer { events = [] }
        return events
    }
}
