import Configuration
import Foundation
import Router

/// Where a router's settings say that workers are.
struct WorkerPlaces: Sendable {
    var addresses: [String]
    var services: [KubernetesDiscovery.Options] = []

    init(_ settings: Settings, _ flags: FindingFlags) throws {
        addresses = try settings.value(RouterKeys.workerAddress, flag: flags.workerAddress)
        let names = try settings.value(RouterKeys.workerService, flag: flags.workerService)
        guard !addresses.isEmpty || !names.isEmpty else {
            throw ConfigurationError.missing(RouterKeys.workerAddress.name)
        }
        guard !names.isEmpty else { return }
        let folder = try settings.value(RouterKeys.serviceAccount, flag: flags.serviceAccount)
        let environment = ProcessInfo.processInfo.environment
        let account = try ServiceAccount(environment: { environment[$0] }, folder: folder)
        for name in names {
            let service: ServiceReference
            do throws(ServiceReference.Malformed) { service = try ServiceReference(name) } catch {
                throw ConfigurationError.badValue(
                    place: "worker-service", value: error.text,
                    expected: "[NAMESPACE/]NAME:PORTNAME in lower-case letters, digits and hyphens")
            }
            services.append(try KubernetesDiscovery.Options(account: account, service: service))
        }
    }
}
