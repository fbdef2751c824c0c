import TestSupport
import Testing
import Text

/// Templates come with model files: none may hang, trap, use up the stack or reach anything.
@Suite struct HostileTemplateTests {
    static let payloads: [String] = [
        "{{ ''.__class__ }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ [].__class__.__base__ }}",
        "{{ {}.__class__.__init__.__globals__ }}", "{{ ''['__class__'] }}", "{{ ''|attr('__class__') }}",
        "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}", "{{ request.application.__globals__ }}",
        "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}", "{{ joiner.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__.os }}", "{{ lipsum.__globals__['os'].popen('id').read() }}",
        "{{ config.items() }}", "{{ config.__class__.__init__.__globals__['os'] }}",
        "{{ get_flashed_messages.__globals__ }}", "{{ url_for.__globals__['__builtins__'] }}",
        "{{ range.__class__ }}", "{{ range.__call__(3) }}", "{{ dict.__base__ }}", "{{ dict.mro() }}",
        "{{ ().__class__.__bases__[0].__subclasses__()[40]('/etc/passwd').read() }}", "{{ self }}",
        "{{ self.__init__.__globals__ }}", "{{ self.__dict__ }}", "{{ messages.__class__ }}",
        "{{ messages.append(1) }}", "{{ messages.pop() }}", "{{ messages.clear() }}", "{{ messages.__len__() }}",
        "{{ {'a': 1}.update({'b': 2}) }}", "{{ {'a': 1}.pop('a') }}", "{{ {}.setdefault('a', 1) }}",
        "{{ 'x'.encode() }}", "{{ 'x'.format() }}", "{{ '{0.__class__}'.format(1) }}",
        "{{ '%s' % self }}", "{{ '%(a)s' | format(a=1) }}", "{{ 'a'.format_map({}) }}", "{{ 'a'.translate({}) }}",
        "{% include '/etc/passwd' %}", "{% import 'os' as os %}", "{% from 'os' import popen %}",
        "{% extends '/etc/passwd' %}", "{% block x %}{% endblock %}", "{% do 1 %}", "{% debug %}", "{% trans %}",
        "{% autoescape true %}", "{% with x = 1 %}{% endwith %}", "{% filter upper %}a{% endfilter %}",
        "{{ loop.__class__ }}", "{% for i in [1] %}{{ loop }}{% endfor %}",
        "{% for i in [1] %}{{ loop.changed.__func__ }}{% endfor %}", "{% macro m() %}{% endmacro %}{{ m }}",
        "{% macro m() %}{% endmacro %}{{ m.__globals__ }}", "{% macro m() %}{{ varargs }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
        "{{ raise_exception.__globals__ }}", "{{ raise_exception }}", "{{ namespace }}", "{{ namespace() }}",
        "{% set ns = namespace() %}{{ ns.__class__ }}", "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns.a }}",
        "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns.a }}", "{{ [namespace()] }}", "{{ [range] }}",
        "{{ {'f': range} }}", "{% set messages.x = 1 %}", "{% set loop = 1 %}{{ loop.x }}",
        "{{ ''.join(['__cl', 'ass__']) }}", "{{ ''['__cl' ~ 'ass__'] }}",
        "{{ [] | map(attribute='__class__') | list }}",
        "{{ [1] | map(attribute='__class__') | list }}", "{{ [1] | map('attr', '__class__') | list }}",
        "{{ [''] | map('__class__') | list }}", "{{ [''] | selectattr('__class__') | list }}",
        "{{ [''] | groupby('__class__') }}", "{{ '' | map(attribute='__class__.__mro__') | list }}",
        "{{ ['a'] | sort(attribute='__class__') }}", "{{ '<script>' | e | safe | forceescape }}",
        "{{ '' is filter }}", "{{ 'open' is test }}", "{{ ''.__doc__ }}", "{{ 1 .real }}", "{{ (1).__class__ }}",
        "{{ 1.0.__class__ }}", "{{ none.__class__ }}", "{{ true.__class__ }}", "{{ undefined_thing.__class__ }}",
        "{{ (undefined_thing | default('')).__class__ }}", "{{ g }}", "{{ session }}", "{{ __builtins__ }}",
        "{{ __import__('os') }}", "{{ eval('1') }}", "{{ open('/etc/passwd') }}", "{{ os }}", "{{ import }}",
        "{{ strftime_now('%d') }}", "{{ strftime_now.__globals__ }}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{7*7}",
        "{{=7*7}}", "{{[7*7]}}{{'7'*7}}", "*{7*7}", "@(7*7)", "{{'a'.toUpperCase()}}",
        "{{constructor.constructor('x')()}}",
    ]

    @Test func `injection payloads are text or errors, and reach nothing`() {
        for payload in Self.payloads {
            let result = render(payload)
            guard case .success(let text) = result else { continue }
            for leak in ["<class", "<built-in", "<function", "<module", "object at", "root:", "uid="] {
                #expect(!text.contains(leak), "\(payload) gives \(text)")
            }
        }
    }

    @Test func `a message that looks like a template is text`() throws {
        let template = try ChatTemplate(
            source: "{% for m in messages %}{{ m.content }}|{{ m['role'] }}{% endfor %}", bosToken: "", eosToken: "")

        for payload in Self.payloads {
            let rendered = try template.render(
                [ChatMessage(role: "user", content: payload)], addsGenerationPrompt: false)
            #expect(rendered == payload + "|user")
        }
    }

    /// What grows without end in some way; each must meet its limit.
    static let endless: [String] = [
        "{% for i in range(100001) %}{% endfor %}",
        "{% for i in range(9223372036854775807) %}{% endfor %}",
        "{{ range(-9223372036854775807, 9223372036854775807) }}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% macro m() %}{{ caller() }}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}"
            + "{% call m() %}x{% endcall %}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s | replace('x', 'xx') %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s.join([ns.s, ns.s, ns.s]) %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}",
        "{% set ns = namespace(s={}) %}{% for i in range(99) %}{% set ns.s = {'a': ns.s} %}{% endfor %}",
        "{% set ns = namespace(s=1) %}{% for i in range(99) %}{% set ns.s = ns.s | tojson | tojson %}{% endfor %}",
        "{% set ns = namespace(s='\\\\') %}{% for i in range(99) %}{% set ns.s = [ns.s] | string %}{% endfor %}",
        "{{ 'x' * 9223372036854775807 }}", "{{ 'xx' * 9223372036854775807 }}", "{{ [1] * 9223372036854775807 }}",
        "{{ ('x' * 4000000) * 2 }}", "{{ 'x' * 4000000 }}{{ 'x' * 4000000 }}",
        "{% set x = 'x' * 1000000 %}{% for i in range(1000) %}{{ x }}{% endfor %}",
        "{% set x = 'x' * 4000000 %}{% for i in range(100000) %}{% if x == x ~ '' %}{% endif %}{% endfor %}",
        "{% set x = 'ab' * 1000000 %}{% for i in range(100000) %}{% if 'ac' in x %}{% endif %}{% endfor %}",
        "{% set x = 'a' * 1000000 %}{% set y = 'a' * 500000 ~ 'b' %}"
            + "{% for i in range(100000) %}{% if y in x %}{% endif %}{% endfor %}",
        "{% set x = 'a b ' * 900000 %}{{ x.split() | length }}",
        "{% set x = ' ' * 900000 %}{{ x.split(' ') | length }}",
        "{% set x = 'a' * 900000 %}{{ x | list }}",
        "{{ ('a' * 4000000) | indent(256) }}{{ ('\\n' * 90000) | indent(256) }}",
        "{% set x = range(100000) %}{% for i in x %}{{ i in x }}{% endfor %}",
        "{{ range(100000) | sort | unique | list }}",
    ]

    @Test(arguments: endless) func `growth meets a limit`(source: String) {
        guard case .failure(.limitExceeded) = render(source) else {
            Issue.record("\(source) has no limit")
            return
        }
    }

    /// Each nests or repeats `count` times.
    static let generators: [@Sendable (Int) -> String] = [
        { repeated("{% if true %}", $0) + repeated("{% endif %}", $0) },
        { repeated("{% for i in [1] %}", $0) + repeated("{% endfor %}", $0) },
        { "{{ " + repeated("(", $0) + "1" + repeated(")", $0) + " }}" },
        { "{{ " + repeated("[", $0) + repeated("]", $0) + " }}" },
        { "{{ " + repeated("{'a': ", $0) + "1" + repeated("}", $0) + " }}" },
        { "{{ " + repeated("not ", $0) + "1 }}" }, { "{{ " + repeated("-", $0) + "1 }}" },
        { "{{ 1" + repeated(" + 1", $0) + " }}" }, { "{{ 1" + repeated(" ~ 1", $0) + " }}" },
        { "{{ 1" + repeated(" and 1", $0) + " }}" }, { "{{ 1" + repeated(" if 1", $0) + " }}" },
        { "{{ 1" + repeated(" if 1 else 1", $0) + " }}" }, { "{{ x" + repeated(".x", $0) + " }}" },
        { "{{ 'x'" + repeated(" | trim", $0) + " }}" }, { "{{ 1" + repeated(" is odd", $0) + " }}" },
        { "{{ x" + repeated("[0", $0) + repeated("]", $0) + " }}" }, { "{{ x" + repeated("()", $0) + " }}" },
        { "{{ x" + repeated("(x", $0) + repeated(")", $0) + " }}" },
        { "{% set " + repeated("(", $0) + "x" + repeated(")", $0) + " = 1 %}" },
        { repeated("{% set x %}", $0) + repeated("{% endset %}", $0) },
        { repeated("{% macro m() %}", $0) + repeated("{% endmacro %}", $0) },
        { repeated("{% call x() %}", $0) + repeated("{% endcall %}", $0) },
        { repeated("{% if true %}", $0) }, { "{{ " + repeated("(", $0) }, { "{{ " + repeated("[", $0) },
        { "{% if 1 %}" + repeated("{% elif 1 %}", $0) + "{% endif %}" }, { repeated("{{ 1 }}", $0) },
        { "{{ 1" + repeated(" < 1", $0) + " }}" }, { "{{ [" + repeated("1, ", $0) + "] }}" },
        { repeated("{", $0) }, { repeated("{%", $0) }, { repeated("{#", $0) }, { repeated("{{'", $0) },
        { "{{ '" + repeated("\\", $0) + "' }}" }, { "{{ 1" + repeated("0", $0) + " }}" },
    ]

    @Test(arguments: [1, 10, 63, 640, 20_000], generators.indices)
    func `nesting is refused or fine, at any depth`(count: Int, generator: Int) {
        let source = Self.generators[generator](count)

        _ = render(source)

        // What nests must be refused from some depth on, not merely survive.
        if generator < 6, count > 64 {
            guard case .failure(.limitExceeded) = render(source) else {
                Issue.record("\(source.prefix(40)) nests \(count) deep")
                return
            }
        }
    }

    @Test func `a value nested too deep is refused when it is looked up`() throws {
        var value = TemplateValue.integer(1)
        for _ in 0..<1000 { value = .list([value]) }
        let template = try ChatTemplate(source: "{{ v is defined }}", bosToken: "", eosToken: "")

        #expect(throws: ChatTemplateError.self) {
            try template.render([], addsGenerationPrompt: false, variables: ["v": value])
        }
    }

    @Test(arguments: 0..<24) func `damaged templates render or fail, never more`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let fixture = try TemplateFixture.load()
        let sources = fixture.templates.values.map(\.source).sorted() + fixture.snippets.map(\.template)
        let pieces = [
            "{{", "}}", "{%", "%}", "-", "(", ")", "[", "]", "'", "|", ".", "in", " ", "é", "9", "endif", "~",
        ]
        let messages = [ChatMessage(role: "system", content: "a"), ChatMessage(role: "user", content: "b\n")]

        for _ in 0..<60 {
            var source = Array((sources.randomElement(using: &random) ?? "").unicodeScalars.map(String.init))
            for _ in 0..<Int.random(in: 1...4, using: &random) where !source.isEmpty {
                let start = Int.random(in: 0..<source.count, using: &random)
                let end = min(source.count, start + Int.random(in: 0...5, using: &random))
                source.replaceSubrange(start..<end, with: [pieces.randomElement(using: &random) ?? ""])
            }
            let text = source.joined()
            let template = try? ChatTemplate(source: text, bosToken: "<s>", eosToken: "</s>")
            _ = try? template?.render(
                messages, addsGenerationPrompt: true, variables: fixture.context.variables)
        }
    }

    static let extremes: [(String, String?)] = [
        ("range(9223372036854775806, 9223372036854775807, 5) | list", "[9223372036854775806]"),
        ("range(0, -9223372036854775807, -9223372036854775807) | list", "[0]"),
        ("range(0, 9223372036854775807, 9223372036854775806) | list", "[0, 9223372036854775806]"),
        ("'abc'[1::9223372036854775807]", "b"), ("[1, 2, 3][::-9223372036854775807]", "[3]"),
        ("'abc'[-9223372036854775807:9223372036854775807]", "abc"), ("'abc'[9223372036854775807]", ""),
        ("'abc'[-9223372036854775807 - 1]", ""), ("[1][-9223372036854775807 - 1:]", "[1]"),
        ("9223372036854775807 + 1", nil), ("-9223372036854775807 - 2", nil), ("9223372036854775807 * 2", nil),
        ("(-9223372036854775807 - 1) // -1", nil), ("(-9223372036854775807 - 1) % -1", nil),
        ("-(-9223372036854775807 - 1)", nil), ("(-9223372036854775807 - 1) | abs", nil), ("2 ** 63", nil),
        ("2 ** 9223372036854775807", nil), ("1 ** 9223372036854775807", "1"), ("9223372036854775808", nil),
        ("1e308 * 10 | int", "inf"), ("(1e308 * 10) | int", "0"), ("(1e308 * 10 - 1e308 * 10) | int", "0"),
        ("'99999999999999999999' | int", "0"), ("1e308 | round(15)", "1e+308"), ("1 | round(9223372036854775807)", nil),
        ("'a' | indent(9223372036854775807)", nil), ("[1] | tojson(indent=9223372036854775807)", nil),
        ("'a,b'.split(',', 9223372036854775807)", "['a', 'b']"), ("'aa'.replace('a', 'b', -5)", "bb"),
        ("(-9223372036854775807 - 1) is divisibleby(-1)", "True"), ("(-9223372036854775807 - 1) is even", "True"),
    ]

    @Test(arguments: extremes.indices) func `extreme numbers have results or errors`(index: Int) {
        let (expression, expected) = Self.extremes[index]

        let result = render("{{ " + expression + " }}")

        #expect((try? result.get()) == expected, "\(expression): \(result)")
    }

    @Test func `the deepest evaluation that is allowed ends in an error, not at the end of the stack`() {
        let ifs = 12
        let source =
            "{% macro m(f) %}" + Self.repeated("{% if true %}", ifs) + "{{ [[[(f(f) ~ 'x') | trim]]] }}"
            + Self.repeated("{% endif %}", ifs) + "{% endmacro %}{{ m(m) }}"

        guard case .failure(.limitExceeded(let what)) = render(source) else {
            Issue.record("no limit")
            return
        }
        #expect(what.contains("deeper than"))
    }

    @Test func `errors name the line`() {
        #expect(
            render("a\n{{ nope.x }}")
                == .failure(.unsupported("line 2 of the chat template: 'nope' is undefined")))
        #expect(
            render("\n\n{% nope %}")
                == .failure(.unsupported("line 3 of the chat template: the statement 'nope' is not supported here")))
    }

    private static func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

    private func render(_ source: String) -> Result<String, ChatTemplateError> {
        Result { () throws(ChatTemplateError) in
            try ChatTemplate(source: source, bosToken: "", eosToken: "").render([], addsGenerationPrompt: true)
        }
    }
}
