import Foundation
import Testing

/// `apus simulate`, on whose status and output scripts rely.
@Suite struct SimulateCommandTests {
    /// Dictionaries of another process have another order: an answer that depends on it shows here.
    @Test(arguments: [3, 11, 77]) func `a seed gives the same hash in another process`(seed: Int) throws {
        let runs = try (0..<2).map { _ in try ApusProcess.outcome(["simulate", "--seed", "\(seed)"]) }
        let hashes = runs.map { $0.1.components(separatedBy: "hash: ").last }

        #expect(runs.allSatisfy { $0.0 == 0 })
        #expect(hashes[0]?.isEmpty == false && hashes[0] == hashes[1])
    }

    @Test func `a failed check is a sentence with its seed, and a status that is not zero`() throws {
        let (passed, _) = try ApusProcess.outcome(["simulate", "--seeds", "20"])
        let (failed, text) = try ApusProcess.outcome(["simulate", "--seeds", "2", "--calm-seconds", "0.001"])

        #expect(passed == 0)
        #expect(failed == 1)
        #expect(text.contains("seed 1, event") && text.contains("2 of 2 seeds failed: 1 2"), "\(text)")
    }

    @Test(arguments: [
        (["--seed", "1", "--seeds", "2"], "exclude each other"), (["--faults", "flood"], "crash_all_but_one"),
        (["--seeds", "0"], "--seeds must be from 1"), (["--compare", "--sizes", "x"], "no whole number"),
    ]) func `a wrong flag is named with its limit`(flags: [String], sentence: String) throws {
        let (status, text) = try ApusProcess.outcome(["simulate"] + flags)

        #expect(status != 0)
        #expect(text.contains(sentence), "\(text)")
    }
}
