import Foundation
import HTTP
import Inference
import Serving
import Testing

@testable import API

/// Streams that go on at another server, event by event and byte by byte.
@Suite struct ResumeTests {
    static let numericsID = "0123456789abcdef"
    static let key = Array(repeating: 9 as UInt8, count: 32)

    static func desk(key: [UInt8]? = key) -> Desk {
        Desk(models: [.tiny(hasTools: true)]) {
            $0.resumeKey = key
            $0.tenantHeader = "x-tenant"
        }
    }

    struct Stream: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var isChat: Bool
        var fields: String
        var events: [GenerationEvent]
    }

    private static func text(_ choice: Int, _ text: String, _ token: Float) -> GenerationEvent {
        .delta(
            choice: choice, text: text, tokens: [1], logprobs: [logged(text, -token, (text, -token), ("o", -4))])
    }

    private static func plain(_ choice: Int, _ text: String) -> GenerationEvent {
        .delta(choice: choice, text: text, tokens: [1, 2], logprobs: [])
    }

    static let ends: [GenerationEvent] = [
        .choiceFinished(choice: 0, .length),
        .finished(Usage(promptTokens: 9, completionTokens: 4, cachedTokens: 0)),
    ]

    static let streams: [Stream] = [
        Stream(
            testDescription: "chat", isChat: true, fields: "",
            events: [plain(0, "Swifts "), plain(0, "flý"), plain(0, "😀"), plain(0, "!")] + ends),
        Stream(
            testDescription: "chat with usage and log-probabilities", isChat: true,
            fields: #","logprobs":true,"top_logprobs":2,"stream_options":{"include_usage":true}"#,
            events: [text(0, "a", 1), text(0, "é", 2), text(0, "", 3), text(0, "b", 4)] + ends),
        Stream(
            testDescription: "completion, echoed, continuous usage", isChat: false,
            fields: #","echo":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}"#,
            events: [plain(0, "Swifts "), plain(0, "fly")] + ends),
        Stream(
            testDescription: "completion, echoed with log-probabilities", isChat: false,
            fields: #","echo":true,"logprobs":1"#,
            events: [.promptLogprobs(choice: 0, [logged("i", -2)]), text(0, "x", 1), text(0, "y", 2)] + ends),
        Stream(
            testDescription: "two chat choices", isChat: true, fields: #","n":2"#,
            events: [
                .admitted(choice: 1, numericsID: numericsID), plain(1, "b"), plain(0, "a"), plain(1, "bb"),
                .choiceFinished(choice: 1, .stop("!")), plain(0, "aa"),
            ] + ends),
        Stream(
            testDescription: "calls of tools", isChat: true,
            fields: #","tools":[{"type":"function","function":{"name":"f"}}]"#,
            events: [
                plain(0, "Let me see."), plain(0, "\n<tool"), plain(0, "_call>{\"name\": \"f\", \"argu"),
                plain(0, "ments\": {\"x\": "), plain(0, "1}}"), plain(0, "</tool_call> <to"),
                .choiceFinished(choice: 0, .stop(nil)),
                .finished(Usage(promptTokens: 9, completionTokens: 4, cachedTokens: 0)),
            ]),
    ]

    private static func open(
        _ stream: Stream, at desk: Desk, after id: String? = nil, tenant: String? = nil
    ) -> RecordingExchange {
        let headers =
            (id.map { [HTTPField("last-event-id", $0)] } ?? []) + (tenant.map { [HTTPField("x-tenant", $0)] } ?? [])
        return stream.isChat
            ? desk.post(
                "/v1/chat/completions",
                #"{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"stream":true\#(stream.fields)}"#,
                headers: headers)
            : desk.post(
                "/v1/completions", #"{"model":"tiny","prompt":"Hi","stream":true\#(stream.fields)}"#, headers: headers)
    }

    private static func run(
        _ stream: Stream, at desk: Desk, after id: String? = nil, tenant: String? = nil
    ) -> RecordingExchange {
        let exchange = open(stream, at: desk, after: id, tenant: tenant)
        desk.service.produce(.admitted(choice: 0, numericsID: numericsID))
        for event in stream.events { desk.service.produce(event) }
        return exchange
    }

    /// The events of a stream, and the id of each; "" for none.
    private static func events(_ text: String) -> [(text: String, id: String)] {
        var rest = text[...]
        var events: [(String, String)] = []
        while let end = rest.firstRange(of: "\n\n") {
            let event = String(rest[..<end.upperBound])
            events.append((event, event.hasPrefix("id: ") ? String(event.dropFirst(4).prefix { $0 != "\n" }) : ""))
            rest = rest[end.upperBound...]
        }
        return events
    }

    @Test(arguments: streams)
    func `after any event the rest is the same to the byte, at another server`(_ stream: Stream) throws {
        let calm = Self.run(stream, at: Self.desk())
        let events = Self.events(calm.text)
        #expect(events.count >= 5 && events.dropLast().allSatisfy { !$0.id.isEmpty })
        #expect(events.last?.text == "data: [DONE]\n\n")

        for place in events.indices.dropLast() {
            let desk = Self.desk()
            // Other names are drawn there, and another seed.
            _ = desk.get("/health")
            let rest = Self.run(stream, at: desk, after: events[place].id)
            #expect(rest.text == events.dropFirst(place + 1).map(\.text).joined(), "after event \(place)")
            #expect(rest.isFinished && rest.status == 200)
        }
    }

    @Test func `the request is made again with the seed that was drawn, where the text was made`() throws {
        let first = Self.desk()
        let events = Self.events(Self.run(Self.streams[0], at: first).text)
        let second = Self.desk()
        for _ in 0..<3 { _ = second.get("/health") }
        _ = Self.open(Self.streams[0], at: second, after: events[2].id)

        let (made, again) = (try #require(first.service.submitted.last), try #require(second.service.submitted.last))
        #expect(again.sampling == made.sampling && again.prompts == made.prompts)
        #expect(made.numericsID == nil && again.numericsID == Self.numericsID)
        // Nothing was made yet when the first chunk came: any worker will do.
        _ = Self.open(Self.streams[0], at: second, after: events[0].id)
        #expect(second.service.submitted.last?.numericsID == nil)
    }

    @Test func `a stream goes on for the tenant who asked for it, and for no other`() throws {
        let stream = Self.streams[0]
        let events = Self.events(Self.run(stream, at: Self.desk(), tenant: "swift").text)
        let id = events[2].id
        #expect(
            Self.run(stream, at: Self.desk(), after: id, tenant: "swift").text
                == events.dropFirst(3).map(\.text).joined())
        for tenant in [nil, "martin"] {
            let desk = Self.desk()
            let refused = Self.open(stream, at: desk, after: id, tenant: tenant)
            #expect(refused.status == 400 && refused.text.contains("invalid_event_id"), "\(refused.text)")
            #expect(desk.service.submitted.isEmpty)
        }
    }

    @Test func `pieces may be cut in other places`() throws {
        let stream = Self.streams[0]
        let events = Self.events(Self.run(stream, at: Self.desk()).text)
        let desk = Self.desk()
        let rest = Self.open(stream, at: desk, after: events[2].id)
        for piece in ["Sw", "ifts flý😀", "!"] {
            desk.service.produce(.delta(choice: 0, text: piece, tokens: [1], logprobs: []))
        }
        for event in Self.ends { desk.service.produce(event) }
        #expect(rest.text.contains(#""content":"😀""#) && !rest.text.contains("flý"), "\(rest.text)")
    }

    @Test func `an end that was not heard is told without the model`() throws {
        let events = Self.events(Self.run(Self.streams[0], at: Self.desk()).text)
        let desk = Self.desk()
        let rest = Self.open(Self.streams[0], at: desk, after: events[events.count - 2].id)
        #expect(rest.text == "data: [DONE]\n\n" && rest.isFinished)
        #expect(desk.service.submitted.isEmpty)
    }

    @Test func `text that is not the same again ends in an error, and is not shown`() throws {
        let events = Self.events(Self.run(Self.streams[0], at: Self.desk()).text)
        let desk = Self.desk()
        let rest = Self.open(Self.streams[0], at: desk, after: events[2].id)
        desk.service.produce(.delta(choice: 0, text: "Swallows fly too", tokens: [1], logprobs: []))
        #expect(rest.text.contains("stream_diverged") && !rest.text.contains("fly too"), "\(rest.text)")
        #expect(rest.isFinished && desk.service.cancelled.count == 1)
    }

    @Test func `choices on workers that compute differently take the id back`() {
        let desk = Self.desk()
        let exchange = Self.open(Self.streams[4], at: desk)
        desk.service.produce(
            .admitted(choice: 0, numericsID: "a"), .delta(choice: 0, text: "x", tokens: [1], logprobs: []),
            .admitted(choice: 1, numericsID: "b"), .delta(choice: 1, text: "y", tokens: [1], logprobs: []))
        let last = Self.events(exchange.text).suffix(2).map(\.text)
        #expect(last[0].hasPrefix("id: ") && last[1].hasPrefix("id:\ndata: {"), "\(last)")
    }

    @Test func `many choices and whole answers have no ids`() {
        let many = Self.desk()
        let prompts = Array(repeating: "\"a\"", count: 17).joined(separator: ",")
        let exchange = many.post("/v1/completions", #"{"model":"tiny","prompt":[\#(prompts)],"stream":true}"#)
        many.service.produce(.delta(choice: 0, text: "x", tokens: [1], logprobs: []))
        #expect(exchange.text.hasPrefix("data: "))
        let whole = Self.desk()
        let answer = whole.complete()
        for event in Self.ends { whole.service.produce(event) }
        #expect(answer.text.hasPrefix("{"))
    }

    @Test func `what cannot be gone on with is refused in words`() throws {
        let stream = Self.streams[0]
        let id = Self.events(Self.run(stream, at: Self.desk()).text)[2].id
        #expect(!id.isEmpty)
        func refusal(_ exchange: RecordingExchange) -> [String] {
            let code = exchange.text.components(separatedBy: "\"code\":\"").last?.prefix { $0 != "\"" } ?? ""
            return [String(exchange.status ?? 0), String(code)]
        }
        let body = #"{"model":"tiny","messages":[{"role":"user","content":"Hi"}]"#
        func post(_ more: String, _ id: String, _ desk: Desk = Self.desk()) -> [String] {
            let exchange = desk.post("/v1/chat/completions", body + more, headers: [HTTPField("last-event-id", id)])
            #expect(exchange.text.contains("Last-Event-ID"), "\(exchange.text)")
            #expect(desk.service.submitted.isEmpty)
            return refusal(exchange)
        }
        #expect(post(#","stream":true}"#, "made up") == ["400", "invalid_event_id"])
        #expect(post(#","stream":true}"#, String(repeating: "A", count: 5000)) == ["400", "invalid_event_id"])
        #expect(post(#","stream":true }"#, id) == ["400", "invalid_event_id"])
        #expect(
            post(#","stream":true}"#, id, Self.desk(key: Self.key.reversed() + [1])) == ["400", "invalid_event_id"])
        #expect(post("}", id) == ["400", "invalid_value"])
        #expect(post(#","stream":true}"#, id, Self.desk(key: nil)) == ["400", "unsupported_parameter"])
        let late = Self.desk()
        late.clock.seconds += 601
        #expect(post(#","stream":true}"#, id, late) == ["410", "event_id_expired"])
        let other = Self.desk()
        other.service.models = [
            ServedModel(
                name: "tiny", tokenizer: other.service.models[0].tokenizer,
                chatTemplate: other.service.models[0].chatTemplate, contextLength: 256, numericsID: "another",
                created: 0)
        ]
        #expect(post(#","stream":true}"#, id, other) == ["409", "stream_not_resumable"])
        // An empty id is what a client without one sends.
        let empty = Self.open(stream, at: Self.desk(), after: "")
        #expect(empty.status == 200)
    }
}
