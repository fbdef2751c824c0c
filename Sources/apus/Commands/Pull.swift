import ArgumentParser
import Configuration
import Foundation
import NIOCore
import NIOPosix

/// `apus pull`: fetches a model's file.
struct Pull: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fetch a model's file; an interrupted one goes on where it stopped.",
        discussion: """
            HF_TOKEN is shown to Hugging Face's host alone, HF_ENDPOINT is another one in its place, and HTTPS_PROXY, \
            HTTP_PROXY and NO_PROXY count. The SHA-256 that Hugging Face tells of a file is checked, or the one of --sha256.
            """)

    @Argument(help: ArgumentHelp("hf:ORG/REPO/FILE, hf:ORG/REPO@REVISION/FILE, or https://…", valueName: "source"))
    var source: String
    @Option(help: ArgumentHelp("Where to put it.", valueName: "folder")) var to = ".models"
    @Option(name: .customLong("sha256"), help: ArgumentHelp("SHA-256 that it must have.", valueName: "hex"))
    var digest: String?

    func run() throws {
        try Program.run {
            let environment = ProcessInfo.processInfo.environment
            let source = try DownloadSource(source, environment: environment)
            let digest = try digest.map { text in
                guard let bytes = HexDigits.bytes(text), bytes.count == 32 else {
                    throw ConfigurationError.badValue(
                        place: "--sha256", value: text, expected: "64 hexadecimal digits")
                }
                return bytes
            }
            try FileManager.default.createDirectory(atPath: to, withIntermediateDirectories: true)
            let order = Download.Order(
                source: source, target: to + "/" + source.fileName, digest: digest,
                proxies: try ProxySettings(environment: environment))
            return { signals in
                guard try !Self.isThere(order) else { return }
                let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
                let stopped = eventLoop.makePromise(of: Void.self)
                let listener = Task {
                    for await _ in signals.stream { break }
                    stopped.succeed()
                }
                defer { listener.cancel() }
                let result = try await Download.run(order, on: eventLoop, stopped: stopped.futureResult)
                print("\(order.target): \(result.byteCount) bytes, sha256 \(HexDigits.text(result.digest))")
            }
        }
    }

    /// Whether nothing is left to do.
    /// - Throws: when another file has the name.
    private static func isThere(_ order: Download.Order) throws -> Bool {
        guard FileManager.default.fileExists(atPath: order.target) else { return false }
        if let wanted = order.digest, case let found = try FileDigest.of(order.target), found != wanted {
            throw Sentence(
                description: "\(order.target) is there, with the SHA-256 \(HexDigits.text(found)). Remove it first.")
        }
        print("\(order.target) is there already.")
        return true
    }
}
