import JSON
import Serving
import Text

/// Fields about how messages become a prompt, as vLLM and SGLang have them.
struct TemplateFields {
    /// Further names that the template may look up.
    var variables: [String: TemplateValue] = [:]
    /// Ends with what begins the assistant's answer.
    var addsGenerationPrompt = true
    /// The answer goes on from the last message instead.
    var continuesLastMessage = false

    private static let countMax = 64
    private static let nameByteCountMax = 64
    private static let byteCountMax = 64 << 10
    private static let depthMax = 8
    /// What the server itself tells templates.
    private static let taken: Set<String> = [
        "messages", "tools", "documents", "add_generation_prompt", "continue_final_message", "bos_token", "eos_token",
        "chat_template", "tokenize", "raise_exception", "strftime_now", "namespace", "range", "dict", "loop",
    ]

    init() {}

    init(_ fields: FieldReader) throws(APIError) {
        let adds = try fields.bool("add_generation_prompt")
        continuesLastMessage = try fields.bool("continue_final_message") ?? false
        guard !continuesLastMessage || adds != true else {
            throw .invalid(
                "add_generation_prompt", code: "invalid_value",
                "add_generation_prompt must not be true when continue_final_message is.")
        }
        addsGenerationPrompt = adds ?? !continuesLastMessage
        try readVariables(fields)
    }

    /// `chat_template_kwargs` alone, for dialects in which every answer is a turn of its own.
    init(variablesOf fields: FieldReader) throws(APIError) {
        try readVariables(fields)
    }

    private mutating func readVariables(_ fields: FieldReader) throws(APIError) {
        let field = "chat_template_kwargs"
        guard let members = try fields.object(field)?.object.members else { return }
        guard members.count <= Self.countMax else {
            throw fields.tooMany(field, count: members.count, countMax: Self.countMax)
        }
        var byteCount = 0
        for member in members {
            guard (1...Self.nameByteCountMax).contains(member.name.utf8.count), Self.isIdentifier(member.name) else {
                throw .invalid(
                    field, code: "invalid_value",
                    "\(field) has a name that is no identifier of at most \(Self.nameByteCountMax) letters: "
                        + "\"\(member.name.prefix(40))\".")
            }
            let parameter = "\(field).\(member.name)"
            guard !Self.taken.contains(member.name) else {
                throw .invalid(parameter, code: "invalid_value", "\(parameter) is set by the server.")
            }
            guard let size = Self.byteCount(member.value, depthLeft: Self.depthMax) else {
                throw .invalid(
                    parameter, code: "invalid_value", "\(parameter) nests deeper than \(Self.depthMax) levels.")
            }
            byteCount += size + member.name.utf8.count
            guard byteCount <= Self.byteCountMax else {
                throw .invalid(
                    field, code: "string_above_max_length",
                    "\(field) may have about \(Self.byteCountMax) bytes in all, but has more.")
            }
            variables[member.name] = TemplateValue(member.value)
        }
    }

    private static func isIdentifier(_ name: String) -> Bool {
        name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        } && name.utf8.first.map { $0 > UInt8(ascii: "9") } ?? false
    }

    /// About what a value takes; nil where it nests too deep.
    private static func byteCount(_ value: JSONValue, depthLeft: Int) -> Int? {
        guard depthLeft > 0 else { return nil }
        var sum = 8
        switch value {
        case .null, .bool, .integer, .unsigned, .double: break
        case .string(let text): sum += text.utf8.count
        case .array(let elements):
            for element in elements {
                guard let size = byteCount(element, depthLeft: depthLeft - 1) else { return nil }
                sum += size
            }
        case .object(let object):
            for member in object.members {
                guard let size = byteCount(member.value, depthLeft: depthLeft - 1) else { return nil }
                sum += size + member.name.utf8.count
            }
        }
        return sum
    }

    /// Cuts a rendered chat behind the last message's text, so that the answer goes on from there. White space around
    /// the text stays only where the template wrote it. Source: what Hugging Face's tokenizers do for the same flag.
    static func cut(_ bytes: [UInt8], behind last: ChatMessage?) throws(APIError) -> [UInt8] {
        let field = "continue_final_message"
        let content = Array((last?.content ?? "").utf8)
        let isSpace: (UInt8) -> Bool = { [0x20, 0x09, 0x0A, 0x0D, 0x0B, 0x0C].contains($0) }
        guard let first = content.firstIndex(where: { !isSpace($0) }),
            let end = content.lastIndex(where: { !isSpace($0) })
        else { throw .invalid(field, code: "invalid_value", "\(field) needs a last message with text.") }
        let core = content[first...end]
        guard let place = lastPlace(of: core, in: bytes) else {
            throw .invalid(
                field, code: "invalid_value", "The model's chat template does not write the last message as it is.")
        }
        let whole = content[first...]
        let cut = bytes[place...].starts(with: whole) ? place + whole.count : place + core.count
        return Array(bytes[..<cut])
    }

    /// From behind: a long text is looked at once, as a rule.
    private static func lastPlace(of part: ArraySlice<UInt8>, in bytes: [UInt8]) -> Int? {
        guard part.count <= bytes.count, let head = part.first else { return nil }
        var place = bytes.count - part.count
        while place >= 0 {
            if bytes[place] == head, bytes[place..<place + part.count].elementsEqual(part) { return place }
            place -= 1
        }
        return nil
    }
}
