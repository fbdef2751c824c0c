import HTTP
import NIOCore
import TestSupport
import Testing

@testable import Router

/// A discovery against an API server over TLS. Nothing waits for a clock but the discovery itself.
@Suite(.timeLimit(.minutes(1))) struct KubernetesDiscoveryTests {
    static func endpoint(_ number: Int, ready: Bool? = true, terminating: Bool? = nil) -> FakeAPIServer.Endpoint {
        .init(host: "10.0.0.\(number)", ready: ready, terminating: terminating)
    }

    let files: TestCertificates

    init() throws { files = try TestCertificates() }

    @Test func `a list of several pages, then what a watch tells`() async throws {
        let rig = try await KubernetesRig(files: files) { server in
            for slice in 0..<5 { server.set("slice-\(slice)", [Self.endpoint(slice)]) }
        }
        try await rig.settle()
        #expect(try await rig.onLoop { $0.server.listCount } == 3)

        try await rig.until { $0.server.watchCount == 1 }
        _ = try await rig.onLoop { parts in
            parts.server.set("slice-0", [Self.endpoint(0, ready: false, terminating: true), Self.endpoint(20)])
            parts.server.remove("slice-1")
            parts.server.set("slice-9", [Self.endpoint(9, ready: nil), Self.endpoint(10, ready: false)])
        }
        try await rig.settle()

        let (hosts, leaving, lists) = try await rig.onLoop { parts in
            (parts.observer.hosts, parts.observer.leaving.map(\.host), parts.server.listCount)
        }
        #expect(hosts == ["10.0.0.2", "10.0.0.20", "10.0.0.3", "10.0.0.4", "10.0.0.9"])
        #expect(leaving == ["10.0.0.0"])
        #expect(lists == 3)
        try await rig.stop()
    }

    @Test func `a watch that ends goes on where a bookmark was, without a list`() async throws {
        let rig = try await KubernetesRig(files: files) { $0.set("a", [Self.endpoint(1)]) }
        try await rig.until { $0.server.watchCount == 1 }
        _ = try await rig.onLoop { parts in
            parts.server.set("b", [Self.endpoint(2)])
            parts.server.bookmark()
            parts.server.endWatches(cleanly: true)
        }
        try await rig.until { $0.server.watchCount == 2 }
        _ = try await rig.onLoop { $0.server.set("c", [Self.endpoint(3)]) }
        try await rig.settle()

        let (lists, queries) = try await rig.onLoop { ($0.server.listCount, $0.server.queries) }
        #expect(lists == 1)
        #expect(queries.last?.contains("resourceVersion=102&") == true, "\(queries)")
        #expect(queries.last?.contains("allowWatchBookmarks=true") == true)
        try await rig.stop()
    }

    @Test func `a list comes from time to time, and finds what the watch left out`() async throws {
        let rig = try await KubernetesRig(files: files, relistSeconds: 0.02) {
            $0.set("a", [Self.endpoint(1)])
        }
        try await rig.settle()
        _ = try await rig.onLoop { $0.server.setSilently("a", [Self.endpoint(2)]) }
        try await rig.settle()
        try await rig.stop()
    }

    @Test(arguments: FakeAPIServer.Fault.allCases, [false, true])
    func `an outage of any kind leaves the workers known, and ends`(
        _ fault: FakeAPIServer.Fault, tellsGoneByEvent: Bool
    ) async throws {
        let rig = try await KubernetesRig(files: files) { $0.set("a", [Self.endpoint(1), Self.endpoint(2)]) }
        try await rig.until { $0.server.watchCount == 1 && $0.observer.present.count == 2 }
        let asked = try await rig.onLoop { parts in
            parts.server.fault = fault
            parts.server.tellsGoneByEvent = tellsGoneByEvent
            parts.server.forgetHistory()
            parts.server.set("a", [Self.endpoint(3)])
            return parts.server.queries.count
        }
        try await rig.until { $0.server.queries.count >= asked + 3 }

        #expect(try await rig.onLoop { $0.observer.hosts } == ["10.0.0.1", "10.0.0.2"])
        _ = try await rig.onLoop { $0.server.fault = nil }
        try await rig.settle()
        try await rig.stop()
    }

    @Test func `the last worker goes when a list says so, and not because a watch does`() async throws {
        let rig = try await KubernetesRig(files: files) { $0.set("a", [Self.endpoint(1)]) }
        try await rig.until { $0.server.watchCount == 1 }
        let lists = try await rig.onLoop { parts in
            parts.server.set("a", [])
            return parts.server.listCount
        }
        try await rig.settle()
        #expect(try await rig.onLoop { $0.observer.present.isEmpty && $0.server.listCount == lists + 1 })
        try await rig.stop()
    }

    @Test func `a token that is replaced is read again`() async throws {
        let rig = try await KubernetesRig(files: files) { $0.set("a", [Self.endpoint(1)]) }
        try await rig.until { $0.server.watchCount == 1 }
        _ = try await rig.onLoop { parts in
            parts.server.token = "token-2"
            parts.server.setSilently("a", [Self.endpoint(5)])
            parts.server.endWatches(cleanly: false)
        }
        try await rig.until { $0.server.refusedTokenCount >= 1 }
        try rig.write(token: "token-2")
        try await rig.settle()
        try await rig.stop()
    }

    @Test func `a server that the cluster's authority has not signed is told nothing`() async throws {
        let rig = try await KubernetesRig(files: files, authority: "stranger") { $0.set("a", [Self.endpoint(1)]) }
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await rig.onLoop { $0.server.queries.isEmpty && $0.observer.present.isEmpty })
        try await rig.stop()
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `whatever happens, in the end the truth is known, and at no time nothing`(seed: UInt64) async throws {
        let rig = try await KubernetesRig(files: files, relistSeconds: 1) {
            $0.set("always", [Self.endpoint(250)])
        }
        try await rig.until { !$0.observer.present.isEmpty }
        var random = SeededRandom(seed: seed)
        for _ in 0..<60 {
            let step = random
            let wasEmpty = try await rig.onLoop { parts in
                var random = step
                Self.disturb(parts.server, &random)
                return parts.observer.present.isEmpty
            }
            #expect(!wasEmpty, "seed \(seed)")
            for _ in 0..<40 { _ = random.next() }
            if random.happens(0.3) { try await Task.sleep(for: .milliseconds(random.below(8))) }
        }
        _ = try await rig.onLoop { $0.server.fault = nil }
        try await rig.settle()
        try await rig.stop()
    }

    private static func disturb(_ server: FakeAPIServer, _ random: inout SeededRandom) {
        let name = "slice-\(random.below(6))"
        switch random.below(12) {
        case 0...5:
            let choices: [Bool?] = [nil, true, false]
            server.set(
                name,
                (0..<random.below(5)).map { _ in
                    endpoint(
                        random.below(30), ready: choices[random.below(3)], terminating: choices[random.below(3)])
                })
        case 6: server.remove(name)
        case 7: server.endWatches(cleanly: random.happens(0.5))
        case 8: server.forgetHistory()
        case 9: server.bookmark()
        case 10:
            server.fault = FakeAPIServer.Fault.allCases[random.below(FakeAPIServer.Fault.allCases.count)]
            server.tellsGoneByEvent = random.happens(0.5)
            server.endWatches(cleanly: false)
        default: server.fault = nil
        }
    }
}
