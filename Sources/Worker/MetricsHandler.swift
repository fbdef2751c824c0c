import HTTP
import NIOCore
import Telemetry

/// The worker's HTTP port: metrics and probes.
///
/// `/livez` fails when only a restart helps; `/readyz` and `/health` while routers should send nothing.
final class MetricsHandler: HTTPHandler {
    private let registry: MetricRegistry
    private let health: WorkerHealth

    init(registry: MetricRegistry, health: WorkerHealth) {
        self.registry = registry
        self.health = health
    }

    func handle(_ exchange: any HTTPExchange) {
        let request = exchange.request
        guard request.method == "GET" || request.method == "HEAD" else {
            return answer(
                exchange, status: 405, "Only GET is answered here.\n", extra: [HTTPField("allow", "GET, HEAD")])
        }
        switch request.path {
        case "/metrics":
            let openMetrics = request.header("accept")?.contains("application/openmetrics-text") ?? false
            answer(
                exchange, status: 200, registry.render(openMetrics: openMetrics),
                contentType: MetricRegistry.contentType(openMetrics: openMetrics))
        case "/livez":
            if health.isAlive {
                answer(exchange, status: 200, "alive\n")
            } else {
                answer(exchange, status: 503, "The engine has sequences and makes no progress.\n")
            }
        case "/readyz", "/health":
            if let reason { answer(exchange, status: 503, reason) } else { answer(exchange, status: 200, "ready\n") }
        default:
            answer(exchange, status: 404, "There are /metrics, /health, /livez and /readyz here.\n")
        }
    }

    /// Why the worker is not ready.
    private var reason: String? {
        switch health.phase {
        case .loading: "The model is being loaded.\n"
        case .draining: "The worker is draining.\n"
        case .serving: health.isAlive ? nil : "The engine has sequences and makes no progress.\n"
        }
    }

    private func answer(
        _ exchange: any HTTPExchange, status: Int, _ text: String,
        contentType: String = "text/plain; charset=utf-8", extra: [HTTPField] = []
    ) {
        let headers = [HTTPField("content-type", contentType)] + extra
        if exchange.request.method == "HEAD" {
            exchange.sendHead(
                status: status, headers: headers + [HTTPField("content-length", String(text.utf8.count))])
            exchange.finish(trailers: [])
        } else {
            exchange.respond(status: status, headers: headers, body: ByteBuffer(string: text))
        }
    }
}
