import Foundation
import HTTP
import Inference
import NIOCore
import Serving
import Testing

@testable import API

/// Requests of every endpoint with the answers that they get, as Tests/Fixtures/exchanges keeps them: one file each. What an
/// answer is must not change by chance. `APUS_RECORD=1` writes the answers anew, to be looked at before they are kept.
@Suite struct RecordedExchangeTests {
    struct Exchange: Codable {
        struct Request: Codable {
            var method: String
            var path: String
            var headers: [String: String]?
            /// As text, so that order and spelling are the client's.
            var body: String?
        }
        struct Response: Codable, Equatable {
            var status: Int
            var type: String?
            var body: String
        }

        /// What the model is: `tools`, `infill`, `vectors` or `scores`.
        var model: String?
        var request: Request
        /// The pieces that the model says to each choice.
        var says: [String]?
        var response: Response?
    }

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/exchanges")
    private static let isRecording = ProcessInfo.processInfo.environment["APUS_RECORD"] == "1"

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".json") }.sorted()
    }()

    static func load(_ name: String) throws -> Exchange {
        try JSONDecoder().decode(Exchange.self, from: Data(contentsOf: folder.appending(path: name)))
    }

    @Test(arguments: names) func `an endpoint answers as it did`(name: String) throws {
        var exchange = try Self.load(name)
        let answered = try Self.answer(exchange)
        if Self.isRecording {
            exchange.response = answered
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try (encoder.encode(exchange) + Data("\n".utf8)).write(to: Self.folder.appending(path: name))
        }
        #expect(answered == exchange.response)
    }

    private static func answer(_ exchange: Exchange) throws -> Exchange.Response {
        let desk = Desk(models: [.recorded(exchange.model)])
        let request = exchange.request
        let headers = (request.headers ?? [:]).sorted { $0.key < $1.key }.map { HTTPField($0.key, $0.value) }
        let recorded = desk.send(
            request.method, request.path,
            headers: (request.body == nil ? [] : [HTTPField("content-type", "application/json")]) + headers,
            body: .success(Array((request.body ?? "").utf8)))
        desk.service.say(exchange.says ?? [])
        return Exchange.Response(
            status: recorded.status ?? 0, type: recorded.header("content-type"), body: recorded.text)
    }

    @Test func `every route of the public port has a recorded exchange`() throws {
        // The one grows with every route and has tests of its own, the other has figures of this moment.
        var missing = Set(RouteTable.all.map { "\($0.method) \($0.pattern)" })
            .subtracting(["GET /openapi.json", "GET /metrics"])
        for name in Self.names {
            let request = try Self.load(name).request
            if case .route(let route, _) = RouteTable.match(
                method: request.method, path: request.path, among: RouteTable.all)
            {
                missing.remove("\(route.method) \(route.pattern)")
            }
        }
        #expect(missing.isEmpty, "\(missing.sorted())")
    }

    /// Every endpoint with a body refuses what is none, or is another's, in its dialect's shape.
    @Test func `every endpoint with a recorded body refuses other bodies`() throws {
        for name in Self.names {
            var exchange = try Self.load(name)
            guard exchange.request.body?.isEmpty == false, exchange.response?.status == 200 else { continue }
            for (body, type, statuses) in [
                ("{", "application/json", [400]), ("[]", "application/json", [400]),
                ("{\"a\":1,\"a\":2}", "application/json", [400]),
                (exchange.request.body ?? "", "text/html", [415, 200]),
            ] {
                exchange.request.body = body
                exchange.request.headers = ["content-type": type]
                let desk = Desk(models: [.recorded(exchange.model)])
                let answer = desk.send(
                    exchange.request.method, exchange.request.path, headers: [HTTPField("content-type", type)],
                    body: .success(Array(body.utf8)))
                desk.service.say(["a"])
                #expect(statuses.contains(answer.status ?? 0), "\(name) \(body.prefix(20)) \(type): \(answer.text)")
                guard let status = answer.status, status >= 400 else { continue }
                let json = try JSONSerialization.jsonObject(with: Data(answer.text.utf8)) as? [String: Any]
                #expect(json?["error"] != nil, "\(name): \(answer.text)")
            }
        }
    }

    /// As the peers have it, and Docs/dialects.md. Settings of traces are refused: one that is not honoured would be believed.
    @Test func `a field that nobody knows changes no answer`() throws {
        var count = 0
        for name in Self.names {
            let exchange = try Self.load(name)
            guard exchange.response?.status == 200, !exchange.request.path.hasSuffix("/trace/setting"),
                let answered = try Self.answer(exchange, with: #""x_unheard_of":{"a":[1,null]}"#)
            else { continue }
            #expect(answered == exchange.response, "\(name)")
            count += 1
        }
        #expect(count > 30)
    }

    /// Fields that promise nothing about the answer.
    @Test(arguments: ["chat.json", "chat_stream.json", "completion.json", "message.json"])
    func `hints change no answer`(name: String) throws {
        let exchange = try Self.load(name)
        let hints =
            #""user":"u","metadata":{"a":"b"},"store":true,"service_tier":"auto","prompt_cache_key":"k","#
            + #""safety_identifier":"s","verbosity":"low","reasoning_effort":"low""#
        #expect(try Self.answer(exchange, with: hints) == exchange.response)
    }

    /// - Returns: nil where the body is no object.
    private static func answer(_ exchange: Exchange, with fields: String) throws -> Exchange.Response? {
        guard let body = exchange.request.body, body.hasPrefix("{") else { return nil }
        let rest = body.dropFirst().drop { $0 == " " }
        var changed = exchange
        changed.request.body = "{\(fields)\(rest == "}" ? "" : ",")\(rest)"
        return try answer(changed)
    }
}
