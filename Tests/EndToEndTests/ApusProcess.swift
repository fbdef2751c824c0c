import Foundation
import Synchronization

/// A real `apus` process and what it prints. Stopped at the latest when the value goes away.
final class ApusProcess: Sendable {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let process: Process
    private let output = Mutex<String>("")
    private let hasSaidAll = Mutex<Bool>(false)

    var processID: Int32 { process.processIdentifier }
    /// Standard output and standard error so far.
    var text: String { output.withLock { $0 } }

    /// The binary beside the running test bundle.
    static let binary: URL = {
        let given = ProcessInfo.processInfo.environment["APUS_TEST_BINARY"].map { URL(filePath: $0) }
        return given ?? Bundle.main.executableURL?.deletingLastPathComponent().appending(path: "apus")
            ?? URL(filePath: "apus")
    }()

    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The default model, which `make model` fetches.
    static let model: String = {
        ProcessInfo.processInfo.environment["APUS_TEST_MODEL"]
            ?? repository.appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path
    }()

    /// The embedding model, which `make embedding-model` fetches.
    static let embeddingModel = repository.appending(path: ".models/all-MiniLM-L6-v2").path

    /// - Parameter input: its whole standard input; nil leaves it this process's.
    init(_ arguments: [String], environment: [String: String] = [:], input: String? = nil) throws {
        process = Process()
        process.executableURL = Self.binary
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        pipe.fileHandleForReading.readabilityHandler = { [weak self] handle in
            let data = handle.availableData
            guard let self, !data.isEmpty else {
                handle.readabilityHandler = nil
                self?.hasSaidAll.withLock { $0 = true }
                return
            }
            self.output.withLock { $0 += String(decoding: data, as: UTF8.self) }
        }
        let inputPipe = input.map { _ in Pipe() }
        if let inputPipe { process.standardInput = inputPipe }
        try process.run()
        if let input, let inputPipe {
            inputPipe.fileHandleForWriting.write(Data(input.utf8))
            try inputPipe.fileHandleForWriting.close()
        }
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// Runs a command to its end.
    static func outcome(
        _ arguments: [String], environment: [String: String] = [:], input: String = ""
    ) throws -> (status: Int32, text: String) {
        let process = try ApusProcess(arguments, environment: environment, input: input)
        let status = try process.waitForExit()
        process.waitForOutput()
        return (status, process.text)
    }

    /// Waits until the process has printed `text`, or fails with what it printed instead.
    func waitFor(_ wanted: String, seconds: Double = 30) throws {
        try eventually("'\(wanted)' in the output of apus", seconds: seconds) {
            text.contains(wanted) || !process.isRunning
        }
        if !text.contains(wanted) { waitForOutput() }
        guard text.contains(wanted) else { throw Failure(description: "apus ended early and said:\n\(text)") }
    }

    /// What it printed last may still be in the pipe when it has ended.
    private func waitForOutput() {
        try? eventually("the end of its output", seconds: 5) { hasSaidAll.withLock { $0 } }
    }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// - Returns: the exit status, or 128 + signal.
    func waitForExit(seconds: Double = 30) throws -> Int32 {
        try eventually("the end of apus, which said:\n\(text)", seconds: seconds) { !process.isRunning }
        return process.terminationReason == .uncaughtSignal
            ? 128 + process.terminationStatus : process.terminationStatus
    }

    /// Process ids of the children, oldest first.
    var children: [Int32] {
        var ids: [Int32] = []
        // A child belongs to the thread that made it: ask all threads.
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/task")) ?? []
        for task in tasks {
            let text = try? String(contentsOfFile: "/proc/\(processID)/task/\(task)/children", encoding: .utf8)
            ids += (text ?? "").split(separator: " ").compactMap { Int32($0.filter(\.isNumber)) }
        }
        return ids.sorted()
    }
}

/// Polls until `condition` holds.
func eventually(_ what: String, seconds: Double = 30, _ condition: () throws -> Bool) throws {
    let deadline = Date().addingTimeInterval(seconds)
    while Date() < deadline {
        if try condition() { return }
        usleep(10_000)
    }
    throw ApusProcess.Failure(description: "waited \(seconds) s in vain for \(what)")
}

func isAlive(_ processID: Int32) -> Bool {
    // A zombie still answers kill(0): its state in /proc tells.
    guard let stat = try? String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8) else { return false }
    return stat.split(separator: ")").last?.split(separator: " ").first != "Z"
}
