import ArgumentParser
import HTTP
import NIOCore
import NIOPosix

/// `apus health`: whether a router or worker on this machine is alive. For container health checks.
struct Health: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask a router or worker whether it is alive; exit status 0 says yes.")

    @Option(help: ArgumentHelp("Address of its metrics port.", valueName: "host")) var host = "127.0.0.1"
    @Option(help: ArgumentHelp("Its metrics port: 8002 of a router, 8102 of a worker.", valueName: "port"))
    var port = 8002
    @Option(help: ArgumentHelp("What to ask for.", valueName: "path")) var path = "/livez"

    func run() throws {
        let (host, port, path) = (host, port, path)
        try Program.run {
            { _ in
                let answer = try await HTTPRequestTask.send(
                    URLParts(isSecure: false, host: host, port: port), method: "GET", path: path, body: nil)
                guard answer.status == 200 else {
                    throw ClientFailure(description: "\(host):\(port)\(path) answered \(answer.status).")
                }
            }
        }
    }
}
