import HTTP
import Inference
import Serving
import Testing

@testable import API

/// Prompts with a text behind them.
@Suite struct InfillTests {
    static func desk() -> Desk { Desk(models: [.tiny(addsBOS: true, fillsIn: true)]) }
    static let laidOut: [TokenID] = [258, 259] + "ab".utf8.map { TokenID($0) } + [260, 99, 261]

    @Test func `the text in front, the text behind, and then the gap`() throws {
        let desk = Self.desk()
        desk.post("/v1/completions", #"{"model":"tiny","prompt":["ab",""],"suffix":"c"}"#)
        let request = try #require(desk.service.submitted.first)
        #expect(request.prompts == [Self.laidOut, [258, 259, 260, 99, 261]])
        #expect(request.sampling.stopTokens == [257, 259, 260, 261, 262])

        desk.post("/api/generate", #"{"model":"tiny","prompt":"ab","suffix":"c"}"#)
        #expect(desk.service.submitted.last?.prompts == [Self.laidOut])
        desk.post("/api/generate", #"{"model":"tiny","prompt":"ab","suffix":"c","raw":true}"#)
        #expect(desk.service.submitted.last?.prompts == [Self.laidOut])
        #expect(desk.service.submitted.last?.sampling.stopTokens == [257, 259, 260, 261, 262])

        desk.post("/v1/completions", #"{"model":"tiny","prompt":"ab","suffix":"c","ignore_eos":true}"#)
        #expect(desk.service.submitted.last?.sampling.stopTokens == [])
        desk.post("/v1/completions", #"{"model":"tiny","prompt":"ab","suffix":"c","add_special_tokens":false}"#)
        #expect(desk.service.submitted.last?.prompts == [Array(Self.laidOut.dropFirst())])
    }

    @Test(arguments: [#""suffix":"""#, #""suffix":null"#]) func `without a text behind it, a prompt is continued`(
        suffix: String
    ) {
        let desk = Self.desk()
        desk.post("/v1/completions", #"{"model":"tiny","prompt":"a",\#(suffix)}"#)
        #expect(desk.service.submitted.map(\.prompts) == [[[258, 97]]])
        #expect(desk.service.submitted.first?.sampling.stopTokens == [257])
    }

    @Test(arguments: [
        ("/v1/completions", #""prompt":[97],"suffix":"c""#, "suffix is only allowed with a prompt of text"),
        ("/v1/completions", #""prompt":"a","suffix":"c","echo":true"#, "echo is not allowed with suffix"),
        ("/v1/completions", #""prompt":"a","suffix":5"#, "suffix must be a string"),
        ("/v1/completions", #""prompt":"a","suffix":"\#(String(repeating: "c", count: 300))""#, "context holds 256"),
        ("/api/generate", #""prompt":"a","suffix":"c","system":"s""#, "system is not allowed with suffix"),
    ]) func `what cannot be filled in is refused`(path: String, fields: String, sentence: String) {
        let desk = Self.desk()
        let answer = desk.post(path, #"{"model":"tiny",\#(fields)}"#)
        #expect(answer.status == 400 && answer.text.contains(sentence), "\(answer.text)")
        #expect(desk.service.submitted.isEmpty)
    }

    @Test func `a model without tokens for it says so, and one with them lists it`() {
        let refusal = Desk().complete(#","suffix":"c""#)
        #expect(refusal.status == 400 && refusal.text.contains(#""param":"suffix""#), "\(refusal.text)")
        let shown = Self.desk().post("/api/show", #"{"model":"tiny"}"#)
        #expect(shown.text.contains(#""capabilities":["completion","insert"]"#), "\(shown.text)")
    }
}
