import ArgumentParser
import Configuration
import HTTP

/// `apus health`: whether the router or worker of this container is alive.
///
/// It reads the settings that those read, so an environment or a file that moves their ports moves it along.
struct Health: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask a router or worker whether it is alive; exit status 0 says yes.",
        discussion: """
            Without --port, whoever listens on a router's admin port is asked, and when nobody does, whoever listens on a \
            worker's metrics port: as APUS_ADMIN_PORT, APUS_METRICS_PORT or the file that APUS_CONFIG names set them. Where APUS_ADMIN_TLS_CERT \
            or the file turns TLS on there, this speaks it, and shows that certificate too.
            """)

    @Option(help: ArgumentHelp("Its address (default: the setting host, or 127.0.0.1).", valueName: "host"))
    var host: String?
    @Option(help: ArgumentHelp("Its port of metrics and health (default: 8002, then 8102).", valueName: "port"))
    var port: Int?
    @Option(help: ArgumentHelp("What to ask for.", valueName: "path")) var path = "/livez"

    func run() throws {
        let path = path
        try Program.run {
            let settings = try Settings.ofProcess(configFlag: nil, known: EveryKey.names)
            let host = try settings.value(RouterKeys.host, flag: host)
            let defaults = [
                try settings.value(RouterKeys.adminPort), try settings.value(WorkerKeys.metricsPort),
            ]
            let ports = port.map { [$0] } ?? defaults
            // It asks a process of its own container: who answers there need not prove who it is.
            var tls = try ServerTLS.admin(settings, nil)
            tls?.authorityFile = nil
            tls?.trustsAnyone = true
            let shown = tls
            return { _ in try await Self.ask(host: host, ports: ports, path: path, tls: shown) }
        }
    }

    /// Asks on the first port that somebody listens on: a sick router is not covered up by a worker beside it.
    private static func ask(host: String, ports: [Int], path: String, tls: TLSOptions?) async throws {
        var refusals: [String] = []
        for port in ports {
            do {
                let answer = try await HTTPRequestTask.send(
                    URLParts(isSecure: tls != nil, host: host, port: port), method: "GET", path: path, body: nil,
                    tls: tls ?? TLSOptions())
                guard answer.status == 200 else {
                    throw Sentence(description: "\(host):\(port)\(path) answered \(answer.status).")
                }
                return
            } catch let error as HTTPConnectError {
                refusals.append(error.description)
            }
        }
        throw Sentence(description: refusals.joined(separator: " "))
    }
}
