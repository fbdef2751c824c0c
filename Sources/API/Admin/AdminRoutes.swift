import HTTP
import NIOCore
import Serving
import Telemetry

/// Health, metrics and who is there. Live means that this loop turns; ready, that some worker can take work.
enum AdminRoutes {
    static let table: [Route] = [
        Route("GET", "/", .both) { hello($0) },
        Route("GET", "/version", .probe) { call in
            call.respond { body in
                body.writeStaticString("{\"version\":")
                body.writeJSON(call.core.options.version)
                body.writeStaticString("}")
            }
        },
        Route("GET", "/health", .probe) { ready($0) },
        Route("GET", "/readyz", .probe) { ready($0) },
        Route("GET", "/livez", .probe) { call in call.respond { $0.writeStaticString("{\"status\":\"ok\"}") } },
        Route("GET", "/metrics", .metrics) { metrics($0) },
    ]

    private static func hello(_ call: APICall) {
        call.respond { body in
            body.writeStaticString("{\"name\":\"apus\",\"version\":")
            body.writeJSON(call.core.options.version)
            body.writeStaticString(",\"models\":")
            body.writeJSONList(call.core.service.models) { $0.writeJSON($1.name) }
            body.writeStaticString("}")
        }
    }

    private static func ready(_ call: APICall) {
        let isReady = call.core.service.isReady
        call.respond(status: isReady ? 200 : 503) {
            $0.writeStaticString(isReady ? "{\"status\":\"ok\"}" : "{\"status\":\"unavailable\"}")
        }
    }

    private static func metrics(_ call: APICall) {
        let openMetrics = call.exchange.request.header("accept")?.contains("application/openmetrics-text") ?? false
        call.respond(
            contentType: MetricRegistry.contentType(openMetrics: openMetrics),
            body: ByteBuffer(string: call.core.metrics.render(openMetrics: openMetrics)))
    }
}
