import Foundation
import Testing

@testable import Configuration

/// The files in Config/ are the reference of all keys: they must name every key and tell its default.
@Suite struct ReferenceFileTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Config")

    static let programs: [(file: String, keys: [String])] = [
        ("serve.yaml", ServeKeys.names), ("router.yaml", RouterKeys.names), ("worker.yaml", WorkerKeys.names),
    ]

    @Test(arguments: programs) func `each file names exactly the keys of its program`(
        file: String, keys: [String]
    ) throws {
        let text = try String(contentsOf: Self.folder.appending(path: file), encoding: .utf8)
        let lines = text.split(separator: "\n").map { $0.drop { $0 == "#" || $0 == " " } }
        let named = lines.compactMap { line in
            line.firstMatch(of: /^([a-z][a-z-]*):(?: |$)/).map { String($0.1) }
        }
        #expect(Set(keys).subtracting(named).isEmpty, "\(file) leaves out \(Set(keys).subtracting(named))")
        let commented = Set(named).subtracting(keys)
        #expect(commented.isEmpty, "\(file) names \(commented), which \(file) cannot have")
    }

    @Test(arguments: programs) func `each file loads, and says what the defaults are`(
        file: String, keys: [String]
    ) throws {
        let text = try String(contentsOf: Self.folder.appending(path: file), encoding: .utf8)
        let given = try Settings(environment: [:], yaml: text, filePath: file, known: keys)
        let none = try Settings(environment: [:], yaml: nil, filePath: nil, known: keys)
        let numbers: [Key<Int>] = [
            RouterKeys.httpPort, RouterKeys.grpcPort, RouterKeys.adminPort, RouterKeys.queueLimit,
            RouterKeys.queueTokenLimit, RouterKeys.queueByteLimit, RouterKeys.maxBodyBytes, RouterKeys.resumeWindow,
            WorkerKeys.port,
            WorkerKeys.metricsPort,
            WorkerKeys.slots, WorkerKeys.stepTokenBudget, WorkerKeys.prefillShare, ServeKeys.workers,
        ]
        for key in numbers { #expect(try given.value(key) == none.value(key), "\(key.name)") }
        let texts = [
            RouterKeys.host, RouterKeys.serviceAccount, CommonKeys.logLevel, CommonKeys.logFormat, WorkerKeys.kvType,
            WorkerKeys.quantize, WorkerKeys.sandbox,
        ]
        for key in texts { #expect(try given.value(key) == none.value(key), "\(key.name)") }
        for key in [
            RouterKeys.queueTimeout, RouterKeys.queueWait, RouterKeys.requestTimeout, RouterKeys.firstTokenObjective,
            RouterKeys.tokenObjective, RouterKeys.connectionShare, CommonKeys.drainTimeout, WorkerKeys.stepTimeTarget,
            WorkerKeys.hangTimeout,
        ] {
            #expect(try given.value(key) == none.value(key), "\(key.name)")
        }
        for key in [WorkerKeys.prefixCache, WorkerKeys.speculation] {
            #expect(try given.value(key) == none.value(key), "\(key.name)")
        }
    }
}
