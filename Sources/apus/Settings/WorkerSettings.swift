import Configuration
import Foundation
import HTTP
import Models
import Sandbox
import Tracing
import Worker

/// What a worker computes and where it listens, as its settings say.
struct WorkerSettings: Sendable {
    /// Path of a file or folder.
    var model: String
    var options = WorkerOptions()
    var compute: ComputeSettings
    /// nil: nothing is traced.
    var tracing: TraceSettings?
    var sandbox: SandboxMode

    init(_ settings: Settings, _ flags: WorkerCommand) throws {
        model = try settings.value(WorkerKeys.model, flag: flags.model)
        compute = try ComputeSettings(settings, flags.computing)
        options.servedName = try ModelName.of(settings.optional(WorkerKeys.name, flag: flags.name), path: model)
        options.host = try settings.value(WorkerKeys.host, flag: flags.host)
        options.port = try settings.value(WorkerKeys.port, flag: flags.port)
        options.metricsPort = try settings.value(WorkerKeys.metricsPort, flag: flags.metricsPort)
        options.slotCount = compute.slots
        options.stepTokenBudget = compute.stepTokenBudget
        options.stepSecondsTarget = compute.stepTimeTarget
        options.prefillShare = Double(compute.prefillShare) / 100
        options.stallSeconds = compute.hangTimeout
        options.prefixCacheEnabled = compute.prefixCache
        options.speculationEnabled = compute.speculation
        options.epoch = Program.epoch()
        options.drainSeconds = try settings.value(CommonKeys.drainTimeout, flag: flags.common.drainTimeout)
        options.linkTLS = try LinkTLS.options(settings, flags.linkTLS)
        options.metricsTLS = try ServerTLS.admin(settings, flags.adminTLS)
        options.announceDescriptor = flags.announceDescriptor
        tracing = try TraceSettings.read(settings, endpoint: flags.traceEndpoint)
        // The key allows no other names than the modes have.
        sandbox = SandboxMode(rawValue: try settings.value(WorkerKeys.sandbox, flag: flags.sandbox)) ?? .required
    }

    /// What the worker needs of files and ports from its start on.
    var sandboxRules: SandboxRules {
        var readable = SystemFiles.paths + modelPaths
        if let template = compute.chatTemplate { readable.append(template) }
        let variables = ["SSL_CERT_FILE", "SSL_CERT_DIR"].compactMap { ProcessInfo.processInfo.environment[$0] }
        let certificates = [options.linkTLS, options.metricsTLS, tracing?.tls].compactMap(\.self).flatMap {
            [$0.certificateFile, $0.keyFile, $0.authorityFile].compactMap(\.self)
        }
        for file in certificates + variables { readable += Self.folders(of: file) }
        var dialled: Set<UInt16> = []
        if let tracing {
            // 53: names whose answer is too long for a datagram.
            dialled = [53, UInt16(truncatingIfNeeded: tracing.collector.port)]
        }
        return SandboxRules(
            readable: readable,
            listening: [UInt16(truncatingIfNeeded: options.port), UInt16(truncatingIfNeeded: options.metricsPort)],
            dialled: dialled)
    }

    /// The model's file, or its folder with what links in it stand for, as caches of Hugging Face have them.
    private var modelPaths: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: model)) ?? []
        return [model]
            + names.map { "\(model)/\($0)" }.filter {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: $0)) != nil
            }
    }

    /// The folders in which a file is looked for when another has taken its place: its own, and that of what it is a link
    /// to. Kubernetes swaps links.
    private static func folders(of file: String) -> [String] {
        let url = URL(filePath: file)
        return [url, url.resolvingSymlinksInPath()].map { $0.deletingLastPathComponent().path }
    }
}
