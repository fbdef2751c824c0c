import Configuration
import Foundation
import HTTP
import Inference
import Logging
import NIOCore
import Telemetry
import Tracing

/// Where a process sends its spans, as its settings and OpenTelemetry's own variables say.
struct TraceSettings: Sendable {
    var collector: CollectorAddress
    var tls: TLSOptions?
    /// The setting itself, for processes that this one starts; nil where a variable says it, which they have too.
    var endpoint: String?

    /// - Returns: nil where nothing names a collector.
    static func read(
        _ settings: Settings, endpoint flag: String?,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> TraceSettings? {
        let said = try settings.optional(TraceKeys.endpoint, flag: flag)
        let variable = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"].first {
            environment[$0]?.isEmpty == false
        }
        guard let text = said ?? variable.flatMap({ environment[$0] }) else { return nil }
        let place = said == nil ? variable ?? "" : TraceKeys.endpoint.name
        guard let url = try? URLParts(text), !url.host.isEmpty else {
            throw ConfigurationError.badValue(
                place: place, value: text, expected: "a URL such as http://collector:4318")
        }
        var path = text.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).dropFirst(3).first ?? ""
        while path.hasSuffix("/") { path.removeLast() }
        // The variable for traces alone names the whole address; the others what is in front of it.
        let isWhole = place == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
        let whole = isWhole ? "/\(path)" : (path.isEmpty ? "" : "/\(path)") + "/v1/traces"
        let headers =
            environment["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] ?? environment["OTEL_EXPORTER_OTLP_HEADERS"] ?? ""
        let collector = CollectorAddress(
            host: url.host, port: url.port, path: whole, isSecure: url.isSecure, headers: try fields(headers))
        var tls: TLSOptions?
        if url.isSecure {
            var options = TLSOptions(authorityFile: environment["OTEL_EXPORTER_OTLP_CERTIFICATE"])
            options.protocols = ["http/1.1"]
            tls = options
        }
        return TraceSettings(collector: collector, tls: tls, endpoint: said)
    }

    /// NAME=VALUE, separated by commas; values are percent-encoded. Source: OpenTelemetry, Protocol Exporter.
    private static func fields(_ text: String) throws -> [HTTPField] {
        try text.split(separator: ",").map { entry in
            let parts = entry.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2, let value = parts[1].removingPercentEncoding,
                !parts[0].isEmpty, parts[0].utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }),
                value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
            else {
                throw ConfigurationError.badValue(
                    place: "OTEL_EXPORTER_OTLP_HEADERS", value: "\(parts.first ?? "")=…",
                    expected: "NAME=VALUE,… with percent-encoded values")
            }
            return HTTPField(parts[0].lowercased(), value)
        }
    }
}

/// The exporter of a process: made on its event loop, closed at its end.
final class TraceExport: Sendable {
    private let settings: TraceSettings
    private let service: String
    private let eventLoop: any EventLoop
    private let tls: TLSContextBox?
    private let exporter: NIOLoopBoundBox<SpanExporter?>

    /// - Throws: when the collector's authorities cannot be read.
    init(_ settings: TraceSettings, service: String, eventLoop: any EventLoop) throws {
        self.settings = settings
        self.service = service
        self.eventLoop = eventLoop
        tls = try settings.tls.map { try TLSContextBox.client($0) }
        exporter = .makeBoxSendingValue(nil, eventLoop: eventLoop)
    }

    /// On the event loop, once.
    func tracer(metrics: MetricRegistry, logger: Logger) -> Tracer {
        var random = SystemRandomNumberGenerator()
        let key = random.next()
        let resource = SpanResource(
            service: service, version: ApusVersion.text, instance: String(random.next() as UInt64, radix: 16),
            processID: Int(ProcessInfo.processInfo.processIdentifier))
        let made = SpanExporter(
            settings.collector, resource: resource, eventLoop: eventLoop, tls: tls, metrics: metrics, logger: logger)
        exporter.value = made
        var index: UInt64 = 0
        return Tracer(made) {
            index &+= 1
            return CounterRandom.word(key: key, index: index)
        }
    }

    /// Sends what waits, for two seconds at most.
    func close() async {
        let (exporter, sent) = (exporter, eventLoop.makePromise(of: Void.self))
        eventLoop.execute {
            guard let made = exporter.value else { return sent.succeed() }
            made.close { sent.succeed() }
        }
        try? await sent.futureResult.get()
    }
}
