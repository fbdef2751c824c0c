import HTTP
import Serving
import Testing

@testable import API

/// What clients hear of models, and of those that are not there.
@Suite struct ModelListTests {
    static let version = [HTTPField("anthropic-version", "2023-06-01")]

    @Test func `Anthropic's clients get its shape`() {
        let desk = Desk()
        let model =
            #"{"type":"model","id":"tiny","display_name":"tiny","created_at":"2020-09-13T12:26:40Z","#
            + #""max_input_tokens":256,"max_tokens":256}"#
        #expect(
            desk.get("/v1/models", headers: Self.version).text
                == #"{"data":[\#(model)],"has_more":false,"first_id":"tiny","last_id":"tiny"}"#)
        #expect(desk.get("/v1/models/tiny", headers: Self.version).text == model)
        let missing = desk.get("/v1/models/other", headers: Self.version)
        #expect(missing.status == 404)
        #expect(missing.text.hasPrefix(#"{"type":"error","error":{"type":"not_found_error","#), "\(missing.text)")
        #expect(desk.get("/v1/models/other").text.hasPrefix(#"{"error":{"message":"#))
        #expect(
            Desk(models: []).get("/v1/models", headers: Self.version).text
                == #"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#)
    }

    /// State in the repository (nil: there is none), whether another model is served, and the status of a request.
    static let cases: [(state: RepositoryModel.State?, hasOther: Bool, status: Int)] = [
        (.unloaded(why: "unloaded"), false, 404), (.unloaded(why: "unloaded"), true, 404), (.unloading, false, 404),
        (.loading, false, 503), (.loading, true, 503), (.loaded, true, 503),
        // A router in front of other machines does not know what will come.
        (nil, false, 503), (nil, true, 404),
    ]

    @Test(arguments: cases.indices)
    func `a model that was unloaded does not exist, and one that comes is waited for`(index: Int) {
        let (state, hasOther, status) = Self.cases[index]
        let desk = Desk(
            models: hasOther ? [.tiny(name: "other")] : [],
            repository: state.map { ScriptedRepository([.init(name: "tiny", state: $0)]) })
        let answer = desk.complete()
        #expect(answer.status == status, "\(answer.text)")
        #expect((answer.header("retry-after") != nil) == (status == 503))
        let unknown = desk.post("/v1/completions", #"{"model":"nobody","prompt":"Hi"}"#)
        #expect(unknown.status == (state == nil && !hasOther ? 503 : 404))
    }
}
