import Text

/// Tests/Fixtures/templates.json, made by make_templates.py beside it.
struct TemplateFixture: Decodable {
    struct Template: Decodable {
        var source: String
        var bos: String
        var eos: String
    }

    struct Message: Decodable {
        var role: String
        var content: String
    }

    /// What jinja2 does: renders, is refused by the template, or fails.
    struct Outcome: Decodable {
        var expected: String?
        var refused: String?
        var error: String?
    }

    struct Rendering: Decodable {
        var template: String
        var chat: String
        var adds_generation_prompt: Bool
        var variables: TaggedValue
        var now: [Int]?
        var expected: String?
        var refused: String?
    }

    struct Snippet: Decodable {
        var template: String
        var expected: String?
        var refused: String?
        var error: String?
    }

    var templates: [String: Template]
    var chats: [String: [Message]]
    var renderings: [Rendering]
    var context: TaggedValue
    var snippets: [Snippet]

    static func load() throws -> TemplateFixture { try Fixture.load(TemplateFixture.self, "templates.json") }
}

/// A value with what plain JSON loses: `{"mapping": [[key, value]]}`, `{"list": […]}`, `{"float": 1}`.
struct TaggedValue: Decodable {
    var value: TemplateValue

    var variables: [String: TemplateValue] {
        guard case .mapping(let entries) = value else { return [:] }
        return Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) })
    }

    private enum Tag: CodingKey { case mapping, list, float }

    init(from decoder: any Decoder) throws {
        if let tagged = try? decoder.container(keyedBy: Tag.self) {
            if tagged.contains(.list) {
                value = .list(try tagged.decode([TaggedValue].self, forKey: .list).map(\.value))
            } else if tagged.contains(.float) {
                value = .number(try tagged.decode(Double.self, forKey: .float))
            } else {
                value = .mapping(try tagged.decode([Entry].self, forKey: .mapping).map(\.entry))
            }
            return
        }
        let plain = try decoder.singleValueContainer()
        if plain.decodeNil() {
            value = .none
        } else if let boolean = try? plain.decode(Bool.self) {
            value = .boolean(boolean)
        } else if let integer = try? plain.decode(Int.self) {
            value = .integer(integer)
        } else {
            value = .string(try plain.decode(String.self))
        }
    }

    private struct Entry: Decodable {
        var entry: TemplateValue.Entry

        init(from decoder: any Decoder) throws {
            var pair = try decoder.unkeyedContainer()
            let key = try pair.decode(String.self)
            entry = .init(key: key, value: try pair.decode(TaggedValue.self).value)
        }
    }
}
