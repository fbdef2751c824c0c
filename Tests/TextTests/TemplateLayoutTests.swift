import Testing

@testable import Text

/// Chats of one shape are written by what the template made of the first one: never otherwise than the template would.
@Suite struct TemplateLayoutTests {
    /// An unknown variable makes a chat one of its own, which the template itself writes.
    private func agree(
        _ template: ChatTemplate, _ messages: [ChatMessage], addsGenerationPrompt: Bool = true
    ) -> Bool {
        func render(_ variables: [String: TemplateValue]) -> Result<String, ChatTemplateError> {
            Result { () throws(ChatTemplateError) in
                try template.render(messages, addsGenerationPrompt: addsGenerationPrompt, variables: variables)
            }
        }
        return render([:]) == render(["nobody_asks": .none])
    }

    private static let contents = ["abc", "x</think>y, 'z'", "12", "a\nb", "é<tool_response>"]

    /// What may be done to a content, or depend on it.
    private static let uses = [
        "{{ c }}", "{{ c | trim }}", "{{ c | trim('a') }}", "{{ ('<' + c) | trim }}", "{{ c | upper }}",
        "{{ c | length }}", "{{ c | int }}", "{{ c | float }}", "{{ c | default('d') }}",
        "{{ c | default('d', true) }}",
        "{{ c | string }}", "{{ c | safe }}", "{{ c | tojson }}", "{{ c | list }}", "{{ c | first }}", "{{ c | e }}",
        "{{ c | replace('a', 'b') }}", "{{ c | indent }}", "{{ c | reverse }}", "{{ c | abs }}", "{{ c | title }}",
        "{{ c is string }}", "{{ c is sequence }}", "{{ c is iterable }}", "{{ c is mapping }}", "{{ c is none }}",
        "{{ c is defined }}", "{{ c is number }}", "{{ c is lower }}", "{{ c is eq 'abc' }}", "{{ c is in ['abc'] }}",
        "{{ c is sameas 'abc' }}", "{{ c is callable }}", "{{ c is boolean }}", "{{ c is divisibleby 2 }}",
        "{{ c == 'abc' }}", "{{ 'abc' == c }}", "{{ c != '' }}", "{{ c == none }}", "{{ c == c }}", "{{ c == 12 }}",
        "{{ c < 'b' }}", "{{ c in ['abc'] }}", "{{ 'b' in c }}", "{{ c in 'abcd' }}", "{{ c in {'abc': 1} }}",
        "{{ c in [] }}", "{{ c[0] }}", "{{ c[-1:] }}", "{{ c[::-1] }}", "{{ c.strip() }}", "{{ c.lstrip('a') }}",
        "{{ c.rstrip() }}", "{{ c.xstrip() }}", "{{ c.startswith('a') }}", "{{ c.endswith(('c', 'y')) }}",
        "{{ c.split('b') | join('-') }}", "{{ c.split('</think>')[-1] }}", "{{ c.upper() }}", "{{ c.isdigit() }}",
        "{{ c.x is defined }}", "{{ c + '!' }}", "{{ '<' ~ c ~ '>' }}", "{{ ('<' + c) == '<abc' }}", "{{ 1 ~ c }}",
        "{{ c * 2 }}", "{{ c + 1 }}", "{{ c % 2 }}", "{{ -c }}", "{{ [c] | join(',') }}", "{{ [c] }}",
        "{{ [c] | length }}",
        "{{ ['b', c] | sort | join }}", "{{ [c] | sort | first }}", "{{ [c, 'abc'] | unique | list | length }}",
        "{{ [c, 'b'] | max }}", "{{ [c] | min }}", "{{ [c] == ['abc'] }}", "{{ {'k': c} == {'k': 'abc'} }}",
        "{{ {'abc': 1}[c] }}", "{{ {'abc': 1}.get(c) }}", "{{ {'abc': 1}.get(c, 2) }}", "{{ {c: 1} }}",
        "{{ {'k': c}.k }}", "{{ {'k': c} | tojson }}", "{{ {'k': c} | dictsort }}", "{{ c.get('x') }}",
        "{{ messages | map(attribute='content') | join(' ') }}", "{{ messages | map(attribute='content') | first }}",
        "{{ messages | selectattr('content', 'equalto', 'abc') | list | length }}",
        "{{ messages | selectattr('content') | list | length }}", "{{ messages | tojson }}", "{{ messages[0] }}",
        "{{ [c] | map('trim') | first }}", "{{ [c] | map('upper') | first }}", "{{ [c] | sum }}",
        "{{ [c].index('abc') }}",
        "{{ c if c else 'none' }}", "{{ c and 'yes' }}", "{{ not c }}", "{{ c or 'no' }}", "{{ c | wordcount }}",
        "{{ raise_exception(c) }}", "{{ raise_exception('no') }}", "{{ range(c) }}", "{{ dict(k=c).k }}", "{{ c() }}",
        "{{ 'a'.replace('a', c) }}", "{{ c.join(['1', '2']) }}", "{{ '-'.join([c, c]) }}", "{{ 'abcd'.startswith(c) }}",
        "{{ 1.5 | round(c) }}", "{{ 'a\nb' | indent(c) }}", "{{ [1] | tojson(indent=c) }}", "{{ loop }}",
        "{% for x in c %}{{ x }}.{% endfor %}", "{% for x in [c, 'b'] %}{{ loop.index }}{{ x }}{% endfor %}",
        "{% for x in [c] if x == 'abc' %}{{ x }}{% else %}none{% endfor %}", "{% set a, b = c %}{{ a }}",
        "{% set x = c + '!' %}{{ x }}{{ x | trim }}{{ x | string }}", "{% set x %}[{{ c }}]{% endset %}{{ x }}",
        "{% set x %}[{{ c }}]{% endset %}{{ x | length }}", "{% set x | upper %}[{{ c }}]{% endset %}{{ x }}",
        "{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(c) }}{{ m(c) + c }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(c)[0] }}",
        "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}{{ c }}{% endcall %}",
        "{% set n = namespace(x='') %}{% for m in messages %}{% set n.x = n.x + m.content %}{% endfor %}{{ n.x }}",
        "{% if c == 'abc' %}same{% elif c %}other{% endif %}",
        "{% if '</think>' in c %}{{ c.split('</think>')[1] }}{% endif %}",
    ]

    @Test(arguments: uses) func `whatever a template does to a content, its layout is right for all or there is none`(
        use: String
    ) throws {
        let source = "{% set c = messages[0]['content'] %}\(use){{ c }}"
        for first in Self.contents {
            let template = try ChatTemplate(source: source, bosToken: "", eosToken: "")
            for content in [first] + Self.contents {
                #expect(agree(template, [ChatMessage(role: "user", content: content)]), "\(first), then \(content)")
            }
        }
    }

    @Test func `templates of the model families write all chats as they write the first of a shape`() throws {
        let fixture = try TemplateFixture.load()
        for (name, form) in fixture.templates {
            let template = try ChatTemplate(source: form.source, bosToken: form.bos, eosToken: form.eos)
            for chat in fixture.chats.values {
                for content in [nil] + Self.contents + [
                    "", " abc ", "\u{2003}abc", String(repeating: "long ", count: 8000),
                ] {
                    let messages = chat.map { ChatMessage(role: $0.role, content: content ?? $0.content) }
                    for adds in [true, false] {
                        #expect(agree(template, messages, addsGenerationPrompt: adds), "\(name): \(messages)")
                    }
                }
            }
        }
    }

    @Test func `a template that only writes contents has a layout, one that looks into them has none`() throws {
        func layout(_ source: String) throws -> OpenText? {
            let messages = [ChatMessage(role: "system", content: "a"), ChatMessage(role: "user", content: "b")]
            return try? TemplateEvaluation(try TemplateParser.parse(source), now: nil, leavesOpen: true)
                .render(messages, [])
        }
        let writes = try #require(
            try layout("{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] | trim + '\n' }}{% endfor %}!"))
        #expect(writes.bytes == Array("<system>\n<user>\n!".utf8))
        #expect(writes.gaps.map(\.place) == [8, 15] && writes.gaps.map(\.message) == [0, 1])
        #expect(try layout("{% for m in messages %}{{ m.content | length }}{% endfor %}") == nil)
    }

    @Test func `only plain chats have a shape, and different ones differ`() {
        func shape(_ messages: ChatMessage..., adds: Bool = true) -> ChatShape? {
            ChatShape(messages, addsGenerationPrompt: adds)
        }
        let user = ChatMessage(role: "user", content: "a")
        let assistant = ChatMessage(role: "assistant", content: "b")
        let shapes = [
            shape(), shape(user), shape(user, adds: false), shape(user, user), shape(user, assistant),
            shape(assistant), shape(assistant, user), shape(ChatMessage(role: "system", content: "a"), user),
        ]
        #expect(Set(shapes.compactMap(\.self)).count == shapes.count)
        #expect(shape(user) == shape(ChatMessage(role: "user", content: "another")))

        var calling = assistant
        calling.toolCalls = [ToolCall(id: "1", name: "f", arguments: .none)]
        var answering = user
        answering.toolCallID = "1"
        let others = [
            calling, answering, ChatMessage(role: "tool", content: "a"), ChatMessage(role: "user", content: nil),
            ChatMessage(role: "user", content: ""), ChatMessage(role: "user", content: " a"),
            ChatMessage(role: "user", content: "a\u{3000}"), ChatMessage(role: "user", content: "a", name: "n"),
            ChatMessage(role: "user", content: String(repeating: "a", count: ChatShape.contentByteMax + 1)),
        ]
        for other in others { #expect(shape(user, other) == nil, "\(other)") }
        #expect(ChatShape(Array(repeating: user, count: 31), addsGenerationPrompt: true) == nil)
    }
}
