import Glibc
package import NIOCore

/// Workers as an operator writes them: "HOST:PORT", where HOST is an address or a name in DNS, or the name of SRV records
/// such as "_link._tcp.apus-worker", which give the ports themselves.
package enum AddressList {
    package enum Problem: Error, Equatable, Sendable {
        /// Not of the form HOST:PORT with a port of 1 to 65535, nor a name that begins with _SERVICE._tcp.
        case malformed(String)
    }

    /// One discovery for all addresses, one for each name.
    package static func discoveries(
        for entries: [String], eventLoop: any EventLoop
    ) throws(Problem) -> [any WorkerDiscovery] {
        var fixed: [WorkerAddress] = []
        var found: [any WorkerDiscovery] = []
        for entry in entries {
            if entry.hasPrefix("_") {
                found.append(DNSDiscovery(service: try parseService(entry), eventLoop: eventLoop))
                continue
            }
            let address = try parse(entry)
            if isLiteral(address.host) {
                fixed.append(address)
            } else {
                found.append(DNSDiscovery(name: address.host, port: address.port, eventLoop: eventLoop))
            }
        }
        return fixed.isEmpty ? found : [StaticDiscovery(fixed)] + found
    }

    package static func parse(_ entry: String) throws(Problem) -> WorkerAddress {
        guard let colon = entry.lastIndex(of: ":"), let port = Int(entry[entry.index(after: colon)...]),
            (1...65535).contains(port)
        else { throw .malformed(entry) }
        var host = String(entry[..<colon])
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty, host.utf8.count <= 253, host.contains(":") == isBracketed,
            host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") })
        else { throw .malformed(entry) }
        return WorkerAddress(host: host, port: port)
    }

    /// "_SERVICE._tcp.NAME". Source: RFC 2782.
    static func parseService(_ entry: String) throws(Problem) -> String {
        let labels = entry.split(separator: ".", omittingEmptySubsequences: false)
        guard entry.utf8.count <= 253, labels.count >= 3, labels[1] == "_tcp",
            labels.allSatisfy({ label in
                (1...63).contains(label.utf8.count)
                    && label.utf8.allSatisfy { ServiceRecords.isHostByte($0) || $0 == UInt8(ascii: "_") }
            })
        else { throw .malformed(entry) }
        return entry
    }

    static func isLiteral(_ host: String) -> Bool {
        var four = in_addr()
        var six = in6_addr()
        return inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1
    }
}
