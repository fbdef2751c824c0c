import NIOCore
import TestSupport
import Testing

@testable import Router

@Suite struct EndpointSliceTests {
    static let page = #"""
        {"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1",
         "metadata":{"resourceVersion":"812","continue":"abc","remainingItemCount":3},
         "items":[{"metadata":{"name":"apus-worker-x7k","namespace":"apus","resourceVersion":"801",
                   "labels":{"kubernetes.io/service-name":"apus-worker"}},
          "addressType":"IPv4",
          "endpoints":[
            {"addresses":["10.1.0.7"],"conditions":{"ready":true,"serving":true,"terminating":false},
             "hostname":"apus-worker-0","nodeName":"n1","targetRef":{"kind":"Pod","name":"apus-worker-0"},"zone":"a"},
            {"addresses":["10.1.0.8"],"conditions":{"ready":false,"serving":true,"terminating":true}},
            {"addresses":["10.1.0.9"],"conditions":{}},
            {"addresses":["10.1.0.10"]}],
          "ports":[{"name":"link","port":8101,"protocol":"TCP","appProtocol":"kubernetes.io/h2c"},
                   {"name":"dns","port":53,"protocol":"UDP"},{"name":"all","port":null}]}]}
        """#

    @Test func `a page is read as the API server writes it`() throws {
        let page = try EndpointSlicePage(Array(Self.page.utf8))
        #expect(page.resourceVersion == "812" && page.next == "abc")
        #expect(
            page.slices == [
                EndpointSlice(
                    name: "apus-worker-x7k", resourceVersion: "801", family: .four, ports: ["link": 8101],
                    endpoints: [
                        .init(host: "10.1.0.7", isReady: true, isTerminating: false),
                        .init(host: "10.1.0.8", isReady: false, isTerminating: true),
                        .init(host: "10.1.0.9", isReady: true, isTerminating: false),
                        .init(host: "10.1.0.10", isReady: true, isTerminating: false),
                    ])
            ])
    }

    static let wrong: [(page: String, error: KubernetesError)] = [
        ("[]", .malformed(path: "")), ("{}", .malformed(path: "kind")),
        (#"{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[]}"#, .malformed(path: "kind")),
        (#"{"kind":"EndpointSliceList","items":[]}"#, .malformed(path: "metadata")),
        (
            #"{"kind":"EndpointSliceList","metadata":{"resourceVersion":""}}"#,
            .malformed(path: "metadata.resourceVersion")
        ),
        (
            #"{"kind":"EndpointSliceList","metadata":{"resourceVersion":"1"},"items":{}}"#,
            .malformed(path: "items")
        ),
        (
            #"{"kind":"EndpointSliceList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"}}]}"#,
            .malformed(path: "items[0].metadata.resourceVersion")
        ),
    ]

    @Test(arguments: wrong) func `what is no list is an error that names the place`(
        page: String, error: KubernetesError
    ) {
        #expect(throws: error) { try EndpointSlicePage(Array(page.utf8)) }
    }

    @Test(arguments: [
        ("\"port\":8101", "\"port\":0"), ("\"port\":8101", "\"port\":65536"), ("10.1.0.7", "not-an-address"),
        ("[\"10.1.0.7\"]", "[]"), ("\"ready\":true", "\"ready\":\"yes\""), ("IPv4", "IPv6"),
    ]) func `a slice that nobody could dial spoils the list`(good: String, bad: String) throws {
        let page = Self.page.replacing(good, with: bad, maxReplacements: 1)
        #expect(throws: KubernetesError.self) { try EndpointSlicePage(Array(page.utf8)) }
    }

    @Test func `one worker per machine: IPv6 where there is no IPv4, and readiness of any slice`() {
        func slice(_ name: String, _ family: EndpointSlice.Family, _ endpoints: [(String, Bool, Bool)]) -> EndpointSlice
        {
            EndpointSlice(
                name: name, resourceVersion: "1", family: family, ports: ["link": 8101],
                endpoints: endpoints.map { .init(host: $0.0, isReady: $0.1, isTerminating: $0.2) })
        }
        var pool = EndpointPool()
        pool.set(slice("six", .six, [("fd00::1", true, false)]))
        #expect(pool.workers(port: "link").ready.map(\.description) == ["[fd00::1]:8101"])
        pool.set(
            slice("four", .four, [("10.0.0.1", true, true), ("10.0.0.2", false, false), ("10.0.0.4", true, true)]))
        pool.set(slice("moved", .four, [("10.0.0.1", true, false), ("10.0.0.3", false, true)]))
        let workers = pool.workers(port: "link")
        #expect(
            workers.ready.map(\.host) == ["10.0.0.1"]
                && workers.leaving.map(\.host).sorted() == ["10.0.0.3", "10.0.0.4"])
        #expect(pool.workers(port: "other").isEmpty && pool.lacksPort("other") && !pool.lacksPort("link"))
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a damaged page or event is refused or read, and never traps`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let item = #"{"type":"MODIFIED","object":"# + Self.page.dropFirst(Self.page.utf8.count / 4) + "}"
        for text in [Self.page, item, #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}"#] {
            for _ in 0..<50 {
                let damaged = random.damaged(Array(text.utf8))
                if let page = try? EndpointSlicePage(damaged) {
                    #expect(page.slices.allSatisfy { !$0.name.isEmpty }, "seed \(seed)")
                }
                _ = try? EndpointSliceEvent(damaged)
            }
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func `lines are the same however bytes are cut`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let lines = (0..<50).map { _ in
            (0..<random.below(40)).map { _ in UInt8(ascii: "a") + UInt8(random.below(26)) }
        }
        var rest = lines.flatMap { $0 + [UInt8(ascii: "\n")] }[...]
        var buffer = LineBuffer(byteCountMax: 40)
        var found: [[UInt8]] = []
        while !rest.isEmpty {
            let count = min(rest.count, 1 + random.below(60))
            found += try buffer.append(.init(bytes: rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        #expect(found == lines.filter { !$0.isEmpty }, "seed \(seed)")
        #expect(throws: LineBuffer.TooLong.self) { try buffer.append(.init(repeating: 97, count: 41)) }
    }

    @Test(arguments: ["apus/apus-worker:link", "apus-worker:link", "a:1"])
    func `a Service is read as operators write it`(text: String) throws {
        #expect(try ServiceReference(text).description == text)
    }

    @Test(arguments: [
        "", "a", "a:", ":a", "a:b:c", "a/b/c:d", "/a:b", "a/:b", "A:b", "a.b:c", "-a:b", "a_:b", "a:b?x",
        String(repeating: "a", count: 64) + ":b",
    ]) func `what is no Service is an error`(text: String) {
        #expect(throws: ServiceReference.Malformed(text: text)) { try ServiceReference(text) }
    }

    @Test func `outside a cluster the variable that is missing is named`() {
        #expect(throws: ServiceAccount.Problem.notInCluster(variable: "KUBERNETES_SERVICE_HOST")) {
            try ServiceAccount(environment: { _ in nil })
        }
        #expect(throws: ServiceAccount.Problem.notInCluster(variable: "KUBERNETES_SERVICE_PORT")) {
            try ServiceAccount(environment: { $0.hasSuffix("HOST") ? "10.0.0.1" : "https" })
        }
        #expect(throws: ServiceAccount.Problem.unreadable(file: "/nowhere/namespace")) {
            try ServiceAccount(host: "10.0.0.1", port: 443, folder: "/nowhere").namespace()
        }
    }
}
