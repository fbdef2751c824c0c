import Testing
import Text

@Suite struct ChatTemplateTests {
    @Test func `templates of the model families render as jinja2 renders them`() throws {
        let fixture = try TemplateFixture.load()
        #expect(fixture.renderings.count > 100)

        for row in fixture.renderings {
            let form = try #require(fixture.templates[row.template])
            let template = try ChatTemplate(source: form.source, bosToken: form.bos, eosToken: form.eos)
            let messages = (fixture.chats[row.chat] ?? []).map {
                ChatMessage(role: $0.role, content: $0.content)
            }
            let now = row.now.map {
                TemplateTime(year: $0[0], month: $0[1], day: $0[2], hour: $0[3], minute: $0[4], second: $0[5])
            }

            let result = Result { () throws(ChatTemplateError) in
                try template.render(
                    messages, addsGenerationPrompt: row.adds_generation_prompt, variables: row.variables.variables,
                    now: now)
            }

            let expected: Result<String, ChatTemplateError> =
                row.expected.map { .success($0) } ?? .failure(.refused(row.refused ?? ""))
            #expect(result == expected, "\(row.template), \(row.chat)")
        }
    }

    @Test func `expressions, filters, tests, statements and white space are those of jinja2`() throws {
        let fixture = try TemplateFixture.load()
        #expect(fixture.snippets.count > 400)

        for snippet in fixture.snippets {
            let result = Result { () throws(ChatTemplateError) in
                let template = try ChatTemplate(source: snippet.template, bosToken: "<s>", eosToken: "</s>")
                return try template.render([], addsGenerationPrompt: false, variables: fixture.context.variables)
            }

            switch result {
            case .success(let text): #expect(text == snippet.expected, "\(snippet.template)")
            case .failure(.refused(let why)): #expect(why == snippet.refused, "\(snippet.template)")
            case .failure(let error): #expect(snippet.error != nil, "\(snippet.template): \(error)")
            }
        }
    }
}
