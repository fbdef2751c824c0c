import NIOCore
import Serving

/// The Open Inference Protocol's REST dialect: health. Source: KServe v2, inference_rest.md.
enum KServeRoutes {
    static let table: [Route] = [
        Route("GET", "/v2/health/live", .both) { call in
            call.respond { $0.writeStaticString("{\"live\":true}") }
        },
        Route("GET", "/v2/health/ready", .both) { call in
            let isReady = call.core.service.isReady
            call.respond(status: isReady ? 200 : 503) {
                $0.writeStaticString(isReady ? "{\"ready\":true}" : "{\"ready\":false}")
            }
        },
    ]
}
