import HTTP
import Testing

@testable import API

/// What browsers are told about pages of other origins.
@Suite struct CrossOriginTests {
    static let page = "https://chat.example.org"

    static func desk(_ origins: [String], access: AccessControl? = nil) -> Desk {
        Desk(access: access) { $0.crossOrigin = CrossOrigin(origins) }
    }

    static func origin(_ origin: String) -> [HTTPField] { [HTTPField("origin", origin)] }

    static let preflight = [
        HTTPField("access-control-request-method", "POST"),
        HTTPField("access-control-request-headers", "authorization,content-type"),
    ]

    struct Row: Sendable, CustomTestStringConvertible {
        var allowed: [String]
        var origin: String
        var says: String?
        var varies: Bool
        var testDescription: String { "\(origin) where \(allowed) may ask" }
    }

    static let rows = [
        Row(allowed: [], origin: page, says: nil, varies: false),
        Row(allowed: ["*"], origin: page, says: "*", varies: false),
        Row(allowed: [page, "http://localhost:3000"], origin: page, says: page, varies: true),
        Row(allowed: [page], origin: "https://evil.example.org", says: nil, varies: true),
        Row(allowed: [page], origin: page + ".evil.org", says: nil, varies: true),
        Row(allowed: [page], origin: "null", says: nil, varies: true),
    ]

    @Test(arguments: rows) func `an answer names the page that may read it`(row: Row) {
        for path in ["/v1/models", "/v1/nothing"] {
            let answer = Self.desk(row.allowed).get(path, headers: Self.origin(row.origin))

            #expect(answer.header("access-control-allow-origin") == row.says)
            #expect((answer.header("access-control-expose-headers") != nil) == (row.says != nil))
            #expect((answer.header("vary") == "origin") == row.varies)
        }
        let stream = Self.desk(row.allowed).post(
            "/v1/completions", #"{"model":"tiny","prompt":"x","stream":true}"#, headers: Self.origin(row.origin))
        #expect(stream.header("access-control-allow-origin") == row.says)
    }

    @Test(arguments: rows) func `a browser may ask whether it may ask, without a key`(row: Row) {
        let desk = Self.desk(row.allowed, access: AccessControl(AccessTests.keys))
        let answer = desk.send(
            "OPTIONS", "/v1/chat/completions", headers: Self.origin(row.origin) + Self.preflight, body: .success([]))

        #expect(answer.status == (row.says == nil ? 401 : 200))
        #expect(answer.header("access-control-allow-origin") == row.says)
        guard row.says != nil else { return }
        #expect(answer.header("access-control-allow-methods") == "POST")
        #expect(answer.header("access-control-allow-headers") == "authorization,content-type")
        #expect(answer.header("access-control-max-age") == "600")
        let asked = desk.post("/v1/chat/completions", "{}", headers: Self.origin(row.origin))
        #expect(asked.status == 401 && asked.header("access-control-allow-origin") == row.says)
    }

    @Test func `what is no question of a browser's is answered as ever`() {
        let desk = Self.desk(["*"])
        func options(_ path: String, _ headers: [HTTPField], toAdmin: Bool = false) -> Int? {
            desk.send("OPTIONS", path, headers: headers, body: .success([]), toAdmin: toAdmin).status
        }

        #expect(options("/v1/models", Self.origin(Self.page)) == 405)
        #expect(options("/v1/models", Self.preflight) == 405)
        #expect(options("/v1/nothing", Self.origin(Self.page) + Self.preflight) == 404)
        #expect(options("/metrics", Self.origin(Self.page) + Self.preflight, toAdmin: true) == 405)
        #expect(desk.get("/v1/models").header("access-control-allow-origin") == nil)
    }
}
