import API
import Configuration
import Foundation
import HTTP
import Router
import Scheduling
import Telemetry

/// Where a router listens and what it accepts, as its settings say.
struct FrontSettings: Sendable {
    var host: String
    var httpPort: Int
    var grpcPort: Int
    var adminPort: Int
    /// Of a public port, of one address.
    var connectionShare: Double
    var drainSeconds: Double
    var router = RouterOptions()
    var api = APIOptions()
    /// Of the API; nil: none.
    var tls: TLSOptions?
    /// Of metrics and health.
    var adminTLS: TLSOptions?
    /// nil: anyone may ask.
    var accessKeys: [AccessKey]?
    var accessKeyFile: String?
    /// nil: nothing is traced.
    var tracing: TraceSettings?

    init(
        _ settings: Settings, _ listening: ListeningFlags, _ serving: ServingFlags, _ traces: TraceFlags,
        _ common: CommonFlags
    ) throws {
        host = try settings.value(RouterKeys.host, flag: listening.host)
        httpPort = try settings.value(RouterKeys.httpPort, flag: listening.httpPort)
        grpcPort = try settings.value(RouterKeys.grpcPort, flag: listening.grpcPort)
        adminPort = try settings.value(RouterKeys.adminPort, flag: listening.adminPort)
        connectionShare = try settings.value(RouterKeys.connectionShare, flag: listening.connectionShare)
        drainSeconds = try settings.value(CommonKeys.drainTimeout, flag: common.drainTimeout)
        router.scheduling.queueRequestsMax = try settings.value(RouterKeys.queueLimit, flag: serving.queueLimit)
        router.scheduling.queueWaitSecondsMax = try settings.value(RouterKeys.queueWait, flag: serving.queueWait)
        router.scheduling.queueTokensMax = try settings.value(
            RouterKeys.queueTokenLimit, flag: serving.queueTokenLimit)
        router.scheduling.queueBytesMax = try settings.value(
            RouterKeys.queueByteLimit, flag: serving.queueByteLimit)
        router.scheduling.queueTimeoutSeconds = try settings.value(
            RouterKeys.queueTimeout, flag: serving.queueTimeout)
        router.scheduling.requestTimeoutSeconds = try settings.value(
            RouterKeys.requestTimeout, flag: serving.requestTimeout)
        router.objective.firstTokenSeconds = try settings.value(
            RouterKeys.firstTokenObjective, flag: serving.firstTokenObjective)
        router.objective.tokenSeconds = try settings.value(RouterKeys.tokenObjective, flag: serving.tokenObjective)
        api.bodyByteCountMax = try settings.value(RouterKeys.maxBodyBytes, flag: serving.maxBodyBytes)
        api.tenantHeader = try settings.optional(RouterKeys.tenantHeader, flag: serving.tenantHeader)
        api.crossOrigin = CrossOrigin(
            try AllowedOriginList.read(settings.value(RouterKeys.allowedOrigins, flag: serving.allowedOrigins)))
        api.servesMetricsPublicly = try settings.value(RouterKeys.publicMetrics, flag: serving.publicMetrics)
        api.aliases = try ModelAliases.read(settings, serving)
        api.shadows = try ModelShadows.read(settings, serving)
        accessKeyFile = try settings.optional(RouterKeys.accessKeys, flag: serving.accessKeys)
        accessKeys = try accessKeyFile.map { try AccessKeys.read($0) }
        if accessKeyFile != nil, api.tenantHeader != nil {
            throw ConfigurationError.badValue(
                place: RouterKeys.tenantHeader.name, value: api.tenantHeader ?? "",
                expected: "left out where \(RouterKeys.accessKeys.name) says who is who")
        }
        if let share = try settings.optional(TraceKeys.sample, flag: traces.traceSample) {
            guard let collector = try TraceSettings.read(settings, endpoint: traces.traceEndpoint) else {
                throw ConfigurationError.missing(TraceKeys.endpoint.name)
            }
            tracing = collector
            api.traceSampling = TraceSampling(share: share)
        }
        api.version = ApusVersion.text
        let window = try settings.value(RouterKeys.resumeWindow, flag: serving.resumeWindow)
        let keyFile = try settings.optional(RouterKeys.resumeKeyFile, flag: serving.resumeKeyFile)
        api.resumeSeconds = Int64(window)
        api.resumeKey = window > 0 ? try ResumeKey.read(keyFile) : nil
        tls = try ServerTLS.api(settings, serving)
        adminTLS = try ServerTLS.admin(settings, listening.adminTLS)
    }
}

/// The secret of streams' ids.
enum ResumeKey {
    static let byteCounts = 32...4096

    /// - Parameter path: nil for a secret of this process alone.
    static func read(_ path: String?) throws -> [UInt8] {
        guard let path else {
            var random = SystemRandomNumberGenerator()
            return (0..<byteCounts.lowerBound).map { _ in random.next() }
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ConfigurationError.unreadable(path: path, reason: "there is no file that can be read")
        }
        guard byteCounts.contains(data.count) else {
            throw ConfigurationError.unreadable(
                path: path,
                reason: "a resume key has \(byteCounts.lowerBound) to \(byteCounts.upperBound) bytes, not \(data.count)"
            )
        }
        return [UInt8](data)
    }
}
