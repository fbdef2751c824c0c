import HTTP
import Inference
import InferenceProtocol
import Serving
import SwiftProtobuf
import Testing

@testable import API

/// Keys: who may ask for what, and how much.
@Suite struct AccessTests {
    static func key(
        _ text: String, _ tenant: String, _ roles: Set<AccessRole>, requests: Int? = nil, tokens: Int? = nil,
        day: Int? = nil, atOnce: Int? = nil
    ) -> AccessKey {
        AccessKey(
            digest: SHA256Digest.of(Array(text.utf8)), tenant: tenant, roles: roles,
            limits: TenantLimits(
                requestsPerMinute: requests, tokensPerMinute: tokens, tokensPerDay: day, requestsAtOnce: atOnce))
    }

    static let keys = [
        key("ask", "a", [.inference]), key("other", "b", [.inference]), key("read", "ops", [.metrics]),
        key("rule", "ops", [.admin]), key("few", "c", [.inference], requests: 2),
        key("short", "d", [.inference], tokens: 60), key("daily", "e", [.inference], day: 50),
        key("pair", "f", [.inference], atOnce: 2),
    ]

    static func bearer(_ key: String) -> [HTTPField] { [HTTPField("authorization", "Bearer \(key)")] }

    @Test func `every route asks for its role, and nothing else opens it`() {
        let desk = Desk(access: AccessControl(Self.keys))
        for route in RouteTable.all {
            let path = route.pattern.replacing("{id}", with: "tiny")
            func status(_ headers: [HTTPField]) -> Int? {
                desk.send(route.method, path, headers: headers, body: .success([])).status
            }
            let right: String?
            switch route.role {
            case .open: right = "ask"
            case .metrics: right = "read"
            case .both, .admin: right = "rule"
            case .probe: right = nil
            }
            guard let right else {
                #expect(status([]) == 200, "\(path)")
                continue
            }
            #expect(status([]) == 401, "\(path)")
            #expect(status(Self.bearer("guess")) == 401, "\(path)")
            #expect(status(Self.bearer("")) == 401, "\(path)")
            #expect(status([HTTPField("authorization", "Basic \(right)")]) == 401, "\(path)")
            #expect(![401, 403].contains(status(Self.bearer(right))), "\(path)")
            #expect(![401, 403].contains(status([HTTPField("x-api-key", right)])), "\(path)")
            for wrong in ["ask", "read", "rule"] where wrong != right && route.role != .both {
                #expect(status(Self.bearer(wrong)) == 403, "\(path) with \(wrong)")
            }
        }
    }

    @Test func `what there is not is not told to strangers`() {
        let desk = Desk(access: AccessControl(Self.keys))
        #expect(desk.get("/v1/secret").status == 401)
        #expect(desk.get("/v1/secret", headers: Self.bearer("ask")).status == 404)
        #expect(desk.send("DELETE", "/v1/models", body: .success([])).status == 401)
        #expect(desk.send("DELETE", "/v1/models", headers: Self.bearer("ask"), body: .success([])).status == 405)
    }

    @Test func `a refusal says what to do`() {
        let desk = Desk(access: AccessControl(Self.keys))
        let missing = desk.get("/v1/models")
        #expect(missing.header("www-authenticate") == "Bearer")
        #expect(missing.text.contains(#""code":"missing_api_key""#), "\(missing.text)")
        #expect(desk.get("/v1/models", headers: Self.bearer("x")).text.contains(#""code":"invalid_api_key""#))
        let poor = desk.get("/v1/models", headers: Self.bearer("read")).text
        #expect(poor.contains("The key lacks the role inference."), "\(poor)")
    }

    @Test func `whoever reaches the admin port may read`() {
        let desk = Desk(access: AccessControl(Self.keys))
        for path in ["/metrics", "/livez", "/version", "/"] {
            #expect(desk.send("GET", path, body: .success([]), toAdmin: true).status == 200, "\(path)")
        }
    }

    @Test func `requests are their tenant's, in turns and in caches`() {
        let desk = Desk(access: AccessControl(Self.keys))
        for key in ["ask", "other", "ask"] {
            desk.post("/v1/completions", #"{"model":"tiny","prompt":"Hi"}"#, headers: Self.bearer(key))
        }
        desk.post("/v1/completions", #"{"model":"tiny","prompt":"Hi","cache_salt":"s"}"#, headers: Self.bearer("ask"))
        desk.post("/v2/models/tiny/generate", #"{"text_input":"Hi"}"#, headers: Self.bearer("ask"))

        let asked = desk.service.submitted
        #expect(asked.map(\.tenant) == ["a", "b", "a", "a", "a"])
        #expect(asked[0].salt == asked[2].salt && asked[0].salt == asked[4].salt && asked[0].salt != 0)
        #expect(Set([asked[0], asked[1], asked[3]].map(\.salt)).count == 3)
    }

    @Test func `tenants that a proxy names have caches of their own, in every dialect`() {
        let desk = Desk { $0.tenantHeader = "x-tenant" }
        let header = [HTTPField("x-tenant", "a")]
        desk.post("/v1/completions", #"{"model":"tiny","prompt":"Hi"}"#, headers: header)
        desk.post("/v2/models/tiny/generate", #"{"text_input":"Hi"}"#, headers: header)
        desk.post("/v2/models/tiny/generate", #"{"text_input":"Hi"}"#)
        #expect(desk.service.submitted.map(\.tenant) == ["a", "a", ""])
        #expect(desk.service.submitted[0].salt == desk.service.submitted[1].salt)
        #expect(desk.service.submitted[2].salt == 0)
    }

    @Test func `a limit of requests refuses the next, and gives it back with time`() {
        let desk = Desk(access: AccessControl(Self.keys))
        func ask() -> RecordingExchange {
            desk.post("/v1/completions", #"{"model":"tiny","prompt":"Hi"}"#, headers: Self.bearer("few"))
        }
        #expect(ask().status == nil && ask().status == nil)
        let refused = ask()
        #expect(refused.status == 429 && refused.header("retry-after") == "30")
        #expect(
            refused.text.contains("Your limit of 2 requests a minute is used up. Try again in 30 s."), "\(refused.text)"
        )
        desk.clock.seconds += 29
        #expect(ask().status == 429)
        desk.clock.seconds += 1
        #expect(ask().status == nil)
        #expect(desk.service.submitted.count == 3)
        let metrics = desk.send("GET", "/metrics", body: .success([]), toAdmin: true).text
        #expect(metrics.contains(#"apus_tenant_refused_total{tenant="c",reason="rate_limit_exceeded"} 2"#))
    }

    @Test func `a limit of tokens counts prompts and answers, also of those who leave`() {
        let desk = Desk(access: AccessControl(Self.keys))
        func ask() -> RecordingExchange {
            desk.post(
                "/v1/completions", #"{"model":"tiny","prompt":"0123456789","stream":true}"#,
                headers: Self.bearer("short"))
        }
        let first = ask()
        desk.service.produce(
            .delta(choice: 0, text: "x", tokens: Array(repeating: 65, count: 80), logprobs: []))
        first.onClientGone?()
        // 10 and 80 of 60 are used: 31 s until one is left.
        let refused = ask()
        #expect(refused.status == 429)
        #expect(refused.header("retry-after") == "31")
        desk.clock.seconds += 31
        #expect(ask().status == 200)
    }

    @Test func `a clock that is put back takes nothing from a minute`() {
        let desk = Desk(access: AccessControl(Self.keys))
        func ask() -> Int? {
            desk.post("/v1/completions", #"{"model":"tiny","prompt":"Hi"}"#, headers: Self.bearer("few")).status
        }
        #expect(ask() == nil && ask() == nil && ask() == 429)
        desk.clock.isBehind = 3600
        desk.clock.seconds += 30
        #expect(ask() == nil)
    }

    @Test func `a day's tokens come back at midnight, and once`() {
        let desk = Desk(access: AccessControl(Self.keys))
        func ask() -> RecordingExchange {
            desk.post("/v1/completions", #"{"model":"tiny","prompt":"0123456789"}"#, headers: Self.bearer("daily"))
        }
        #expect(ask().status == nil)
        desk.service.produce(.delta(choice: 0, text: "x", tokens: Array(repeating: 65, count: 80), logprobs: []))
        let refused = ask()
        #expect(refused.status == 429 && refused.text.contains(#""code":"insufficient_quota""#), "\(refused.text)")
        #expect(refused.text.contains("Your limit of 50 tokens a day (UTC) is used up."))
        let left = 86_400 - desk.clock.seconds % 86_400
        #expect(refused.header("retry-after") == "\(left)")
        desk.clock.seconds += left - 1
        #expect(ask().status == 429)
        desk.clock.seconds += 1
        #expect(ask().status == nil)
        desk.service.produce(.delta(choice: 0, text: "x", tokens: Array(repeating: 65, count: 80), logprobs: []))
        desk.clock.isBehind = 10
        #expect(ask().status == 429)
        desk.clock.isBehind = 0
        #expect(ask().status == 429)
        let metrics = desk.send("GET", "/metrics", body: .success([]), toAdmin: true).text
        #expect(metrics.contains(#"apus_tenant_refused_total{tenant="e",reason="insufficient_quota"} 4"#))
    }

    @Test func `so many requests at once, and another when one has ended or left`() {
        let desk = Desk(access: AccessControl(Self.keys))
        func ask() -> RecordingExchange {
            desk.post("/v1/completions", #"{"model":"tiny","prompt":"Hi","stream":true}"#, headers: Self.bearer("pair"))
        }
        let first = ask()
        #expect(first.status != 429 && ask().status != 429)
        let refused = ask()
        #expect(refused.status == 429 && refused.text.contains("Your limit of 2 requests at once"), "\(refused.text)")
        #expect(refused.header("retry-after") == "1")
        desk.service.produce(.finished(Usage(promptTokens: 2, completionTokens: 0, cachedTokens: 0)))
        #expect(ask().status != 429 && ask().status == 429)
        first.onClientGone?()
        desk.service.forgetReceivers()
        #expect(ask().status != 429)
    }

    @Test func `what is refused afterwards costs nothing`() {
        let desk = Desk(access: AccessControl(Self.keys))
        func ask() -> RecordingExchange {
            desk.post("/v1/completions", #"{"model":"tiny","prompt":"Hi"}"#, headers: Self.bearer("few"))
        }
        desk.service.refusal = .queueFull(limit: 1, retryAfterSeconds: 1)
        for _ in 0..<5 { #expect(ask().text.contains("queue_full")) }
        desk.service.refusal = nil
        #expect(ask().status == nil && ask().status == nil && ask().status == 429)
    }

    @Test func `keys that are replaced stop at once, and limits keep what was used`() {
        let access = AccessControl(Self.keys)
        let desk = Desk(access: access)
        func ask(_ key: String) -> Int? {
            desk.post("/v1/completions", #"{"model":"tiny","prompt":"Hi"}"#, headers: Self.bearer(key)).status
        }
        #expect(ask("few") == nil && ask("few") == nil && ask("few") == 429)
        access.replace([Self.key("few", "c", [.inference], requests: 3), Self.key("new", "e", [.inference])])
        #expect(ask("ask") == 401)
        #expect(ask("new") == nil)
        #expect(ask("few") == 429)
    }

    @Test func `gRPC asks the same`() {
        let desk = GRPCDesk(access: AccessControl(Self.keys))
        func status(_ method: String, _ fields: [HTTPField]) -> GRPCStatusCode? {
            let call = desk.open("/inference.GRPCInferenceService/\(method)", fields: fields)
            guard call.status == nil else { return call.status?.code }
            call.send(WireModelReadyRequest.with { $0.name = "tiny" })
            call.end()
            return call.status?.code
        }
        for method in ["ModelReady", "ModelInfer", "ModelStreamInfer", "ModelMetadata"] {
            #expect(status(method, []) == .unauthenticated, "\(method)")
            #expect(status(method, Self.bearer("guess")) == .unauthenticated, "\(method)")
            #expect(status(method, Self.bearer("read")) == .permissionDenied, "\(method)")
        }
        #expect(status("ModelReady", Self.bearer("ask")) == .ok)
        #expect(status("ServerLive", []) == .ok && status("ServerReady", []) == .ok)
    }
}
