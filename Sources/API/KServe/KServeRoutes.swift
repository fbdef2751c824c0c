import NIOCore
import Serving

/// The Open Inference Protocol's REST dialect, and Triton's extensions of it. Source: KServe v2, inference_rest.md;
/// Triton's extension documents. `{id}` is a model, or a model and a version: see ``ModelVersion``.
enum KServeRoutes {
    static let table: [Route] = [
        Route("GET", "/v2/health/live", .probe) { call in
            call.respond { $0.writeStaticString("{\"live\":true}") }
        },
        Route("GET", "/v2/health/ready", .probe) { call in
            let isReady = call.core.service.isReady
            call.respond(status: isReady ? 200 : 503) {
                $0.writeStaticString(isReady ? "{\"ready\":true}" : "{\"ready\":false}")
            }
        },
        Route("GET", "/v2", .open) { MetadataEndpoints.server($0) },
        Route("GET", "/v2/models", .open) { MetadataEndpoints.models($0) },
        Route("GET", "/v2/models/stats", .open) { MetadataEndpoints.allStatistics($0) },
        Route("POST", "/v2/models/{id}/infer", .open) { InferEndpoints.infer($0) },
        Route("POST", "/v2/models/{id}/generate", .open) { InferEndpoints.generate($0) },
        Route("POST", "/v2/models/{id}/generate_stream", .open) { InferEndpoints.generateStream($0) },
        Route("GET", "/v2/models/{id}/ready", .open) { MetadataEndpoints.modelReady($0) },
        Route("GET", "/v2/models/{id}/config", .open) { MetadataEndpoints.configuration($0) },
        Route("GET", "/v2/models/{id}/stats", .open) { MetadataEndpoints.statistics($0) },
        Route("GET", "/v2/models/{id}/trace/setting", .open) { ServerSettingEndpoints.traceSettings($0) },
        Route("POST", "/v2/models/{id}/trace/setting", .open) { ServerSettingEndpoints.setTrace($0) },
        Route("GET", "/v2/models/{id}", .open) { MetadataEndpoints.model($0) },
        Route("POST", "/v2/repository/index", .both) { RepositoryEndpoints.index($0) },
        Route("POST", "/v2/repository/models/{id}/load", .admin) { RepositoryEndpoints.change($0, .load) },
        Route("POST", "/v2/repository/models/{id}/unload", .admin) { RepositoryEndpoints.change($0, .unload) },
        Route("GET", "/v2/trace/setting", .open) { ServerSettingEndpoints.traceSettings($0) },
        Route("POST", "/v2/trace/setting", .open) { ServerSettingEndpoints.setTrace($0) },
        Route("GET", "/v2/logging", .open) { ServerSettingEndpoints.logSettings($0) },
        Route("POST", "/v2/logging", .open) { ServerSettingEndpoints.logSettings($0) },
    ]
}
