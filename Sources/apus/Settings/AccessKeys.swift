import API
import Configuration
import Foundation

/// The keys that callers of a router may show, in the operator's file.
enum AccessKeys {
    static func read(_ path: String) throws -> [AccessKey] {
        guard let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8)
        else {
            throw ConfigurationError.unreadable(path: path, reason: "there is no text that can be read")
        }
        return try AccessKeyFile.read(text, path: path, roles: AccessRole.allCases.map(\.rawValue)).map { entry in
            AccessKey(
                digest: entry.digest, tenant: entry.name, roles: Set(entry.roles.compactMap(AccessRole.init)),
                limits: TenantLimits(
                    requestsPerMinute: entry.requestsPerMinute, tokensPerMinute: entry.tokensPerMinute,
                    tokensPerDay: entry.tokensPerDay, requestsAtOnce: entry.requestsAtOnce))
        }
    }
}
