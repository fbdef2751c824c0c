/// A text with gaps where contents of messages belong: what a template makes of a chat, before it is known what is said.
struct OpenText: Sendable {
    struct Gap: Sendable {
        /// Bytes before it.
        var place: Int
        /// Whose content fills it.
        var message: Int
    }

    var bytes: [UInt8] = []
    var gaps: [Gap] = []

    /// Nothing but the content of a message.
    init(contentOf message: Int) { gaps = [Gap(place: 0, message: message)] }

    init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    /// As many as it may have when its gaps are filled.
    var byteCount: Int { bytes.count + gaps.count * ChatShape.contentByteMax }

    /// Whether it is the content of a message as it was given.
    var isBare: Bool { bytes.isEmpty && gaps.count == 1 }

    static func += (text: inout OpenText, other: OpenText) {
        let start = text.bytes.count
        text.bytes += other.bytes
        for gap in other.gaps { text.gaps.append(Gap(place: start + gap.place, message: gap.message)) }
    }

    /// - Parameter messages: all that the gaps ask for.
    func filled(with messages: [ChatMessage]) -> [UInt8] {
        var byteCount = bytes.count
        for gap in gaps { byteCount += messages[gap.message].content?.utf8.count ?? 0 }
        var output: [UInt8] = []
        output.reserveCapacity(byteCount)
        var place = 0
        for gap in gaps {
            output += bytes[place..<gap.place]
            if let content = messages[gap.message].content { output += content.utf8 }
            place = gap.place
        }
        output += bytes[place...]
        return output
    }
}

/// What decides how a template writes a chat, as long as it does not look into the contents of the messages.
///
/// Only plain chats have one: contents are texts, not empty, and have no white space at their ends, so that they are true
/// and trimming leaves them as they are; nobody has a name, and nothing was called.
struct ChatShape: Hashable {
    /// Of each content: long ones take more time in every other place.
    static let contentByteMax = 16 << 10
    private static let messageCountMax = 30

    /// From the top: a mark, two bits for each role, and whether the assistant's answer is begun.
    let bits: UInt64

    init?(_ messages: [ChatMessage], addsGenerationPrompt: Bool) {
        guard messages.count <= Self.messageCountMax else { return nil }
        var bits: UInt64 = 1
        for place in messages.indices {
            // By place: a message that is taken out is copied.
            guard let role = Self.code(messages[place].role), let content = messages[place].content,
                Self.isPlain(content), messages[place].name == nil, messages[place].toolCalls.isEmpty,
                messages[place].toolCallID == nil
            else { return nil }
            bits = bits << 2 | role
        }
        self.bits = bits << 1 | (addsGenerationPrompt ? 1 : 0)
    }

    private static func code(_ role: String) -> UInt64? {
        switch role.utf8.count {
        case 4: role == "user" ? 0 : nil
        case 6: role == "system" ? 1 : nil
        case 9: role == "assistant" ? 2 : nil
        default: nil
        }
    }

    private static func isPlain(_ content: String) -> Bool {
        guard content.utf8.count <= contentByteMax, let first = content.utf8.first, let last = content.utf8.last else {
            return false
        }
        if first > 0x20, first < 0x7F, last > 0x20, last < 0x7F { return true }
        return content.unicodeScalars.first.map(TemplateText.isSpace) == false
            && content.unicodeScalars.last.map(TemplateText.isSpace) == false
    }
}
