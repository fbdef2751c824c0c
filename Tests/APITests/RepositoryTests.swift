import HTTP
import InferenceProtocol
import NIOCore
import Serving
import SwiftProtobuf
import Testing

@testable import API

/// A repository that does as the test says.
final class ScriptedRepository: ModelRepository {
    var models: [RepositoryModel]
    private(set) var asked: [String] = []
    private var waiting: [(RepositoryError?) -> Void] = []

    init(_ models: [RepositoryModel]) { self.models = models }

    func load(_ name: String, done: @escaping (RepositoryError?) -> Void) {
        asked.append("load \(name)")
        waiting.append(done)
    }

    func unload(_ name: String, done: @escaping (RepositoryError?) -> Void) {
        asked.append("unload \(name)")
        waiting.append(done)
    }

    /// Answers the oldest call.
    func answer(_ error: RepositoryError?) { waiting.removeFirst()(error) }
}

/// Loading and unloading, as clients ask for it.
@Suite struct RepositoryTests {
    static let load = "/v2/repository/models/org/m/load"
    static let unload = "/v2/repository/models/org/m/unload"

    static func repository() -> ScriptedRepository {
        ScriptedRepository([.init(name: "org/m", state: .unloaded(why: "not loaded"))])
    }

    static func send(_ desk: Desk, _ path: String, _ json: String = "", headers: [HTTPField] = [], admin: Bool = true)
        -> RecordingExchange
    {
        desk.send("POST", path, headers: headers, body: .success(Array(json.utf8)), toAdmin: admin)
    }

    @Test func `a call is answered when it is done, with nothing or with a sentence`() {
        let repository = Self.repository()
        let desk = Desk(repository: repository)
        let loaded = Self.send(desk, Self.load, "{}")
        let unloaded = Self.send(desk, Self.unload, #"{"parameters":{"unload_dependents":true}}"#)
        #expect(repository.asked == ["load org/m", "unload org/m"])
        #expect(loaded.status == nil && unloaded.status == nil)
        repository.answer(nil)
        repository.answer(nil)
        #expect(loaded.status == 200 && loaded.written.isEmpty)
        #expect(unloaded.status == 200)

        let answers: [(RepositoryError, Int, String)] = [
            (.unknownModel("x"), 404, #"{"error":"The model \"x\" is not in this server's list of models."}"#),
            (.unloading("x"), 503, #"{"error":"The model \"x\" is being unloaded. Try again when it is."}"#),
            (.failed(model: "x", why: "No."), 500, #"{"error":"The model \"x\" is not loaded: No."}"#),
        ]
        for (error, status, text) in answers {
            let exchange = Self.send(desk, Self.load)
            repository.answer(error)
            #expect(exchange.status == status && exchange.text == text)
        }
    }

    @Test func `a request brings no model of its own`() {
        let repository = Self.repository()
        let refusal = Self.send(Desk(repository: repository), Self.load, #"{"parameters":{"config":"{}"}}"#)
        #expect(refusal.status == 400 && refusal.text.contains("the server's list of models"), "\(refusal.text)")
        #expect(Self.send(Desk(repository: repository), Self.load, "[").status == 400)
        #expect(repository.asked.isEmpty)
    }

    @Test func `without keys the admin port alone may, with keys those of the role`() {
        let repository = Self.repository()
        let open = Desk(repository: repository)
        let refused = Self.send(open, Self.load, admin: false)
        #expect(refused.status == 403 && refused.text.contains("--api-keys"), "\(refused.text)")
        let closed = Desk(access: AccessControl(AccessTests.keys), repository: repository)
        for admin in [false, true] {
            #expect(Self.send(closed, Self.load, admin: admin).status == 401)
            #expect(Self.send(closed, Self.load, headers: AccessTests.bearer("ask"), admin: admin).status == 403)
        }
        #expect(repository.asked.isEmpty)
        for admin in [false, true] {
            #expect(Self.send(closed, Self.load, headers: AccessTests.bearer("rule"), admin: admin).status == nil)
        }
        #expect(repository.asked.count == 2)
    }

    @Test func `without keys no web page may, wherever it says it comes from`() {
        let repository = Self.repository()
        let open = Desk(repository: repository)
        let ofPages = [
            [HTTPField("origin", "https://evil.example")], [HTTPField("origin", "null")],
            // A name that leads to this machine: the page and the port are one to the browser.
            [HTTPField("origin", "http://evil.example:8002"), HTTPField("host", "evil.example:8002")],
            [HTTPField("sec-fetch-site", "cross-site")], [HTTPField("sec-fetch-site", "same-origin")],
        ]
        for headers in ofPages {
            let refused = Self.send(open, Self.unload, headers: headers + [HTTPField("content-type", "text/plain")])
            #expect(refused.status == 403 && refused.text.contains("web page"), "\(headers) \(refused.text)")
            #expect(open.send("GET", "/metrics", headers: headers, body: .success([]), toAdmin: true).status == 200)
        }
        #expect(repository.asked.isEmpty)
        // Somebody typed the address; a key is nothing that a page of another's has.
        #expect(Self.send(open, Self.load, headers: [HTTPField("sec-fetch-site", "none")]).status == nil)
        let closed = Desk(access: AccessControl(AccessTests.keys), repository: repository)
        #expect(Self.send(closed, Self.load, headers: ofPages[0] + AccessTests.bearer("rule")).status == nil)
        #expect(repository.asked.count == 2)
    }

    @Test func `the index shows every state`() {
        let repository = Self.repository()
        let desk = Desk(models: [.tiny(), .tiny(name: "far")], repository: repository)
        let states: [(RepositoryModel.State, String, String)] = [
            (.unloaded(why: "No."), "UNAVAILABLE", "No."), (.loading, "LOADING", ""), (.unloading, "UNLOADING", ""),
            (.loaded, "READY", ""),
        ]
        for (state, shown, reason) in states {
            repository.models = [.init(name: "tiny", state: state)]
            let index = Self.send(desk, "/v2/repository/index", "{}", admin: false).text
            #expect(
                index == #"[{"name":"tiny","version":"1","state":"\#(shown)","reason":"\#(reason)"},"#
                    + #"{"name":"far","version":"1","state":"READY","reason":""}]"#)
        }
        desk.service.unreadyModels = ["tiny"]
        #expect(Self.send(desk, "/v2/repository/index").text.contains("no worker of this model takes work now"))
    }

    @Test func `gRPC says the same`() {
        let repository = Self.repository()
        func desk(_ access: AccessControl?) -> GRPCDesk { GRPCDesk(access: access, repository: repository) }
        let load = WireRepositoryModelLoadRequest.with { $0.modelName = "org/m" }
        #expect(desk(nil).call("RepositoryModelLoad", load).status?.code == .permissionDenied)
        let path = "/inference.GRPCInferenceService/"
        let keyed = desk(AccessControl(AccessTests.keys))
        func call(_ method: String, _ request: some Message) -> GRPCExchange {
            let call = keyed.open(path + method, fields: AccessTests.bearer("rule"))
            call.send(request)
            call.end()
            return call
        }
        let loading = call("RepositoryModelLoad", load)
        #expect(loading.status == nil)
        repository.answer(nil)
        #expect(loading.status == GRPCStatus(.ok) && loading.responses(WireRepositoryModelLoadResponse.self).count == 1)
        let unloading = call(
            "RepositoryModelUnload", WireRepositoryModelUnloadRequest.with { $0.modelName = "org/m" })
        repository.answer(.failed(model: "org/m", why: "No."))
        #expect(unloading.status == GRPCStatus(.internalError, "The model \"org/m\" is not loaded: No."))
        let own = call(
            "RepositoryModelLoad",
            WireRepositoryModelLoadRequest.with {
                $0.modelName = "org/m"
                $0.parameters["config"] = .with { $0.stringParam = "{}" }
            })
        #expect(own.status?.code == .invalidArgument)
        #expect(repository.asked == ["load org/m", "unload org/m"])
    }
}
