import Foundation
import Testing

@testable import API

/// The API's description of itself beside the tables that it is made of.
@Suite struct DescriptionTests {
    @Test func `every public route has one description, and every description a route`() {
        let routes = RouteTable.open(APIOptions()).map { "\($0.method) \($0.pattern)" }
        let described = DescriptionTable.all.map { "\($0.method) \($0.pattern)" }
        #expect(Set(routes).subtracting(described).isEmpty)
        #expect(Set(described).subtracting(routes).isEmpty)
        #expect(Set(routes).count == routes.count && Set(described).count == described.count)
    }

    @Test func `the document names only schemas that it has, and each of them`() throws {
        let text = Desk().get("/openapi.json").text
        let names = ["ModelName"] + SchemaTable.all.map(\.name)
        #expect(Set(names).count == names.count)
        let referred = Set(text.matches(of: /#\/components\/schemas\/(\w+)/).map { String($0.1) })
        #expect(referred == Set(names))
        #expect(text.contains(#""ModelName":{"type":"string","enum":["tiny"]}"#))
        let json = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(json["openapi"] as? String == "3.1.0")
        let paths = try #require(json["paths"] as? [String: [String: Any]])
        #expect(paths.values.reduce(0) { $0 + $1.count } == RouteTable.open(APIOptions()).count)
        #expect(paths["/v1/responses/{id}"]?.keys.sorted() == ["delete", "get"])
    }

    @Test func `the document names the models of now`() {
        let desk = Desk()
        for models in [["tiny"], ["tiny", "large"], ["large"]] {
            desk.service.models = models.map { .tiny(name: $0) }
            let names = models.map { "\"\($0)\"" }.joined(separator: ",")
            for _ in 0..<2 { #expect(desk.get("/openapi.json").text.contains(#""enum":[\#(names)]"#)) }
        }
    }

    @Test func `what is not served is not described`() {
        let desk = Desk { $0.servesMetricsPublicly = false }
        #expect(!desk.get("/openapi.json").text.contains("/metrics"))
        #expect(Desk().get("/openapi.json").text.contains("/metrics"))
    }

    @Test func `errors are described in the shape of their path`() throws {
        let text = Desk().get("/openapi.json").text
        for (path, shape) in [("/v1/messages", "TypedError"), ("/api/chat", "ErrorSentence"), ("/v1/models", "Error")] {
            let from = try #require(text.range(of: "\"\(path)\":{"))
            let error = try #require(text[from.upperBound...].range(of: "\"400\":"))
            #expect(text[error.upperBound...].prefix(400).contains("schemas/\(shape)\""), "\(path)")
        }
    }
}
