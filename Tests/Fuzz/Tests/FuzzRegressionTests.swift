import Foundation
import FuzzTargets
import Testing

/// Inputs that once broke something, and what the fuzzers begin with, through the same functions without a fuzzer.
@Suite(.serialized, .timeLimit(.minutes(1))) struct FuzzRegressionTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

    private static func inputs(_ kind: String, _ target: String) -> [URL] {
        let path = folder.appending(path: "\(kind)/\(target)")
        return (try? FileManager.default.contentsOfDirectory(at: path, includingPropertiesForKeys: nil)) ?? []
    }

    @Test(arguments: FuzzTarget.all) func `no input that is kept breaks a promise`(target: FuzzTarget) throws {
        let seeds = Self.inputs("corpus", target.name)
        #expect(!seeds.isEmpty, "\(target.name) has nothing to begin with")

        for url in seeds + Self.inputs("regressions", target.name) {
            let problem = target.run(Array(try Data(contentsOf: url)))

            #expect(problem == nil, "\(url.lastPathComponent)")
        }
    }

    @Test func `every folder of inputs is a target's`() throws {
        let names = Set(FuzzTarget.all.map(\.name))
        for kind in ["corpus", "regressions"] {
            for name in try FileManager.default.contentsOfDirectory(atPath: Self.folder.appending(path: kind).path)
            where !name.hasPrefix(".") { #expect(names.contains(name), "\(kind)/\(name)") }
        }
    }
}
