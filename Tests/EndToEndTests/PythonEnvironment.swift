import Foundation

/// A virtual environment with packages from PyPI, made once below .build-test/.
enum PythonEnvironment {
    static func python(packages: [String]) throws -> URL {
        let folder = ApusProcess.repository.appending(path: ".build-test/python")
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
