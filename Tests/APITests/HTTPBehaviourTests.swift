import Foundation
import HTTP
import Inference
import Serving
import Testing

@testable import API

@Suite struct HTTPBehaviourTests {
    @Test(
        arguments: [
            ("GET", "/v1/chat/completions", 405, "POST"), ("POST", "/v1/models", 405, "GET, HEAD"),
            ("DELETE", "/v1/models/tiny", 405, "GET, HEAD"), ("PUT", "/health", 405, "GET, HEAD"),
            ("GET", "/v1/chat", 404, nil), ("GET", "/v1/models/", 404, nil), ("GET", "/nothing", 404, nil),
            ("POST", "/v1/chat/completions/", 404, nil), ("GET", "/v1/models/%zz", 404, nil),
            ("GET", "/v1/models/%ff", 404, nil), ("BREW", "/nothing", 404, nil),
        ] as [(String, String, Int, String?)])
    func `other paths are 404, other methods 405 with those allowed`(
        method: String, path: String, status: Int, allow: String?
    ) throws {
        let exchange = Desk().send(method, path, body: .success([]))
        #expect(exchange.status == status)
        #expect(exchange.header("allow") == allow)
        _ = try ErrorBody(exchange)
    }

    @Test func `models are listed, and found by ids with slashes raw or encoded`() throws {
        let desk = Desk(models: [.tiny(), .tiny(name: "org/nämе")])
        #expect(
            desk.get("/v1/models").text
                == #"{"object":"list","data":[{"id":"tiny","object":"model","created":1600000000,"owned_by":"apus","#
                + #""max_model_len":256},{"id":"org/nämе","object":"model","created":1600000000,"owned_by":"apus","#
                + #""max_model_len":256}]}"#)
        let one = #"{"id":"org/nämе","object":"model","created":1600000000,"owned_by":"apus","max_model_len":256}"#
        #expect(desk.get("/v1/models/org/n%C3%A4m%D0%B5").text == one)
        #expect(desk.get("/v1/models/org%2Fn%c3%a4m%d0%b5").text == one)
        let missing = desk.get("/v1/models/org/other")
        #expect(missing.status == 404)
        #expect(try ErrorBody(missing).code == "model_not_found")
    }

    @Test func `health follows readiness, liveness does not`() {
        let desk = Desk()
        for isReady in [true, false] {
            desk.service.isReady = isReady
            for path in ["/health", "/readyz", "/v2/health/ready"] {
                #expect(desk.get(path).status == (isReady ? 200 : 503), "\(path)")
                #expect(desk.send("GET", path, body: nil, toAdmin: true).status == (isReady ? 200 : 503))
            }
            for path in ["/livez", "/v2/health/live"] { #expect(desk.get(path).status == 200) }
        }
        #expect(desk.get("/v2/health/ready").text == #"{"ready":false}"#)
        #expect(desk.get("/v2/health/live").text == #"{"live":true}"#)
    }

    @Test func `before a worker has announced itself requests are told to come again`() throws {
        let desk = Desk(models: [])
        let exchange = desk.chat()
        #expect(exchange.status == 503)
        #expect(exchange.header("retry-after") == "2")
        #expect(try ErrorBody(exchange).code == "unavailable")
    }

    @Test func `version, welcome and a HEAD without a body`() {
        let desk = Desk()
        #expect(desk.get("/version").text == #"{"version":"1.2.3"}"#)
        #expect(desk.get("/").text == #"{"name":"apus","version":"1.2.3","models":["tiny"]}"#)
        let head = desk.send("HEAD", "/version", body: .success([]))
        #expect(head.status == 200 && head.written.isEmpty && head.isFinished)
        #expect(head.header("content-length") == "19")
    }

    @Test func `metrics count answers by route and status, in either format`() {
        let desk = Desk()
        desk.get("/version")
        desk.get("/no/such/path")
        desk.post("/v1/completions", "{")
        let text = desk.get("/metrics")
        #expect(text.header("content-type") == "text/plain; version=0.0.4; charset=utf-8")
        #expect(text.text.contains(#"apus_http_requests_total{route="/version",status="200"} 1"#))
        #expect(text.text.contains(#"apus_http_requests_total{route="other",status="404"} 1"#))
        #expect(text.text.contains(#"apus_http_requests_total{route="/v1/completions",status="400"} 1"#))
        #expect(text.text.contains(#"apus_requests_rejected_total{reason="invalid_json"} 1"#))
        let open = desk.get("/metrics", headers: [HTTPField("accept", "application/openmetrics-text;version=1.0.0")])
        #expect(open.header("content-type") == "application/openmetrics-text; version=1.0.0; charset=utf-8")
        #expect(open.text.hasSuffix("# EOF\n"))
    }

    @Test func `the admin port serves no models, and metrics can be kept off the public one`() {
        let desk = Desk { $0.servesMetricsPublicly = false }
        #expect(desk.get("/metrics").status == 404)
        #expect(desk.send("GET", "/metrics", body: nil, toAdmin: true).status == 200)
        #expect(desk.send("POST", "/v1/completions", body: .success([]), toAdmin: true).status == 404)
    }

    @Test func `a harmless request id is echoed, any other replaced`() {
        let desk = Desk()
        let long = String(repeating: "x", count: 128)
        for name in ["abc-1.2_Z", long] {
            #expect(desk.get("/livez", headers: [HTTPField("x-request-id", name)]).header("x-request-id") == name)
        }
        for name in ["", "a b", "a\r\nb", "é", long + "x", "a/b", "\u{0}"] {
            let echoed = desk.get("/livez", headers: [HTTPField("x-request-id", name)]).header("x-request-id")
            #expect(echoed != name)
            #expect(echoed?.count == 32)
        }
        #expect(desk.get("/livez").header("x-request-id")?.count == 32)
    }

    @Test(arguments: [
        ("application/json", 400), ("application/json; charset=utf-8", 400), ("Application/JSON", 400),
        ("application/vnd.api+json", 400), ("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("", 415),
    ]) func `only JSON is read`(type: String, status: Int) {
        let desk = Desk()
        let headers = [HTTPField("content-type", type)]
        #expect(desk.send("POST", "/v1/completions", headers: headers, body: .success([])).status == status)
        #expect(desk.send("POST", "/v1/completions", body: .success([])).status == 400)
    }

    @Test func `a body over the limit is 413, one that breaks off 408`() throws {
        let desk = Desk { $0.bodyByteCountMax = 10 }
        let large = desk.post("/v1/completions", "{\"a\":\"bcdef\"}")
        #expect(large.status == 413)
        #expect(try ErrorBody(large).message.contains("10 bytes"))
        #expect(desk.send("POST", "/v1/completions", body: .failure(.incomplete)).status == 408)
    }

    @Test func `text becomes tokens and tokens become text`() {
        let desk = Desk()
        #expect(
            desk.post("/tokenize", #"{"model":"tiny","prompt":"Hi<|im_end|>"}"#).text
                == #"{"count":3,"max_model_len":256,"tokens":[72,105,257],"token_strs":null}"#)
        #expect(
            desk.post("/tokenize", #"{"prompt":"a b","return_token_strs":true}"#).text
                == #"{"count":3,"max_model_len":256,"tokens":[97,32,98],"token_strs":["a","Ġ","b"]}"#)
        #expect(
            desk.post("/tokenize", #"{"messages":[{"role":"user","content":"x"}],"add_generation_prompt":false}"#).text
                == #"{"count":9,"max_model_len":256,"tokens":[256,117,115,101,114,10,120,257,10],"token_strs":null}"#)
        #expect(
            desk.post("/detokenize", #"{"tokens":[72,105,257,195,169,255]}"#).text
                == "{\"prompt\":\"Hi<|im_end|>é\u{FFFD}\"}")
        #expect(desk.post("/detokenize", #"{"tokens":[]}"#).text == #"{"prompt":""}"#)
        #expect(desk.post("/tokenize", #"{"prompt":""}"#).status == 200)
    }
}
