import Foundation

/// A virtual environment with packages from PyPI, made once below .build-test/.
enum PythonEnvironment {
    static let grpcPackages = [
        "tritonclient[http,grpc]==2.73.0", "grpcio-health-checking==1.81.1", "grpcio-reflection==1.81.1",
    ]

    static let tracePackages = ["opentelemetry-proto==1.45.2"]

    /// Runs a script of this folder to its end.
    /// - Parameter place: a name for packages that do not go with all others.
    static func outcome(
        _ script: String, _ arguments: [String], packages: [String], place: String = "python"
    ) throws -> (status: Int32, text: String) {
        let client = Process()
        client.executableURL = try python(packages: packages, place)
        client.arguments =
            [ApusProcess.repository.appending(path: "Tests/EndToEndTests/\(script)").path] + arguments
        return try client.outcome()
    }

    static func python(packages: [String], _ place: String = "python") throws -> URL {
        let folder = ApusProcess.repository.appending(path: ".build-test/\(place)")
        let python = folder.appending(path: "bin/python3")
        let stamp = folder.appending(path: packages.joined(separator: "+") + ".installed")
        if FileManager.default.fileExists(atPath: stamp.path) { return python }
        try run("python3", ["-m", "venv", folder.path])
        try run(python.path, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"] + packages)
        try Data().write(to: stamp)
        return python
    }

    private static func run(_ command: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [command] + arguments
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw ApusProcess.Failure(description: "\(command) \(arguments.joined(separator: " ")) failed")
        }
    }
}

extension Process {
    /// Runs it to its end.
    func outcome() throws -> (status: Int32, text: String) {
        let pipe = Pipe()
        standardOutput = pipe
        standardError = pipe
        try run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        waitUntilExit()
        return (terminationStatus, said)
    }
}
