import HTTP
import Inference
import NIOEmbedded
import Serving
import Testing
import Text

@testable import API

/// Fields about how messages become a prompt.
@Suite struct TemplateFieldsTests {
    static func model(_ template: String) throws -> ServedModel {
        let tiny = ServedModel.tiny()
        return ServedModel(
            name: "tiny", tokenizer: tiny.tokenizer,
            chatTemplate: try ChatTemplate(source: template, bosToken: "<s>", eosToken: "<|im_end|>"),
            contextLength: 256, numericsID: nil, created: 0)
    }

    static func prompt(_ template: String, _ body: String, path: String = "/v1/chat/completions") throws -> String {
        let desk = Desk(models: [try model(template)])
        let exchange = desk.post(path, #"{"model":"tiny",\#(body)}"#)
        let tokens = try #require(desk.service.submitted.first, "\(exchange.text)").prompts[0]
        return String(decoding: tokens.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }

    static let messages = #""messages":[{"role":"user","content":"Hi"}]"#

    @Test func `variables reach the template, with what they are`() throws {
        let template =
            "{% if enable_thinking is defined and not enable_thinking %}quiet {% endif %}{{ n + 1 }} {{ list[1].a }} {{ none is none }}"
        let variables = #""chat_template_kwargs":{"enable_thinking":false,"n":2,"list":[0,{"a":"x"}],"none":null}"#
        #expect(try Self.prompt(template, "\(Self.messages),\(variables)") == "quiet 3 x True")
    }

    static let turns =
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}[end]{% endfor %}{% if add_generation_prompt %}[go]{% endif %}"

    @Test(arguments: [
        (#""add_generation_prompt":true"#, "[user]Hi[end][assistant]Once [end][go]"),
        (#""add_generation_prompt":false"#, "[user]Hi[end][assistant]Once [end]"),
        (#""continue_final_message":true"#, "[user]Hi[end][assistant]Once "),
        (#""continue_final_message":true,"add_generation_prompt":false"#, "[user]Hi[end][assistant]Once "),
        (#""continue_final_message":false"#, "[user]Hi[end][assistant]Once [end][go]"),
    ]) func `a prompt ends as the client says`(fields: String, prompt: String) throws {
        let messages = #""messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Once "}]"#
        #expect(try Self.prompt(Self.turns, "\(messages),\(fields)") == prompt)
    }

    @Test func `an answer goes on behind the last place of the text, and without the space that a template drops`()
        throws
    {
        let template = "{% for m in messages %}[{{ m.content | trim }}]{% endfor %}"
        let messages = #""messages":[{"role":"user","content":"a"},{"role":"assistant","content":" a\n"}]"#
        #expect(try Self.prompt(template, messages + #","continue_final_message":true"#) == "[a][a")
    }

    @Test(arguments: [
        ("{{ messages[0].content }}", #"{"role":"assistant","content":" \n"}"#, "needs a last message with text"),
        ("{{ messages[0].content }}", #"{"role":"assistant","content":"b"}"#, "does not write the last message"),
    ]) func `what cannot be gone on from is refused`(template: String, last: String, sentence: String) throws {
        let desk = Desk(models: [try Self.model(template)])
        let body =
            #"{"model":"tiny","messages":[{"role":"user","content":"a"},\#(last)],"continue_final_message":true}"#
        let answer = desk.post("/v1/chat/completions", body)
        #expect(answer.status == 400 && answer.text.contains(sentence), "\(answer.text)")
        #expect(answer.text.contains(#""param":"continue_final_message""#))
    }

    @Test func `tokenize counts what a chat would be`() throws {
        let desk = Desk(models: [try Self.model("{{ x }}")])
        let answer = desk.post(
            "/tokenize", #"{"model":"tiny",\#(Self.messages),"chat_template_kwargs":{"x":"abc"}}"#)
        #expect(answer.text.hasPrefix(#"{"count":3,"#), "\(answer.text)")
    }

    @Test func `variables are bounded in all`() throws {
        let desk = Desk(models: [try Self.model("{{ x }}")])
        let text = String(repeating: "x", count: 66_000)
        let answer = desk.post(
            "/v1/chat/completions", #"{"model":"tiny",\#(Self.messages),"chat_template_kwargs":{"x":"\#(text)"}}"#)
        desk.offloaded.runAll()
        desk.loop.run()
        #expect(answer.status == 400 && answer.text.contains("about 65536 bytes in all"), "\(answer.text)")
    }

    static let everyDialect =
        #""max_tokens":4,"input":"Hi","messages":[{"role":"user","content":"Hi"}]"#

    @Test(arguments: ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
    func `variables mean the same in every dialect`(path: String) throws {
        let variables = #""chat_template_kwargs":{"x":[1,"a"]}"#
        #expect(try Self.prompt("{{ x[0] }}{{ x[1] }}", "\(Self.everyDialect),\(variables)", path: path) == "1a")
    }

    @Test func `tokens of a message are counted with its variables`() throws {
        let desk = Desk(models: [try Self.model("{{ x }}")])
        let answer = desk.post(
            "/v1/messages/count_tokens",
            #"{"model":"tiny",\#(Self.everyDialect),"chat_template_kwargs":{"x":"abc"}}"#)
        #expect(answer.text == #"{"input_tokens":3}"#)
    }

    static let refusals: [(field: String, says: String)] = [
        (#""chat_template_kwargs":{"messages":[]}"#, "chat_template_kwargs.messages is set by the server"),
        (#""chat_template_kwargs":5"#, "chat_template_kwargs must be an object"),
        (#""add_generation_prompt":false"#, "add_generation_prompt is not supported"),
        (#""continue_final_message":true"#, "continue_final_message is not supported"),
        (#""chat_template":"x""#, "chat_template is not supported"),
        (#""documents":[{}]"#, "documents is not supported"),
    ]

    @Test(arguments: ["/v1/responses", "/v1/messages"], refusals.indices)
    func `other fields of templates are refused where every answer is a turn of its own`(path: String, row: Int) {
        let answer = Desk().post(path, #"{"model":"tiny",\#(Self.everyDialect),\#(Self.refusals[row].field)}"#)
        #expect(answer.status == 400 && answer.text.contains(Self.refusals[row].says), "\(answer.text)")
    }
}
