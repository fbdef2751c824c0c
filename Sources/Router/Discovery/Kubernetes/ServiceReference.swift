/// A Service of Kubernetes and one of its ports, as an operator writes it: "NAMESPACE/NAME:PORT", or "NAME:PORT" for the
/// namespace this process runs in. PORT is the port's name.
package struct ServiceReference: Hashable, Sendable, CustomStringConvertible {
    package struct Malformed: Error, Equatable, Sendable {
        package var text: String
    }

    package var namespace: String?
    package var name: String
    package var port: String

    package init(_ text: String) throws(Malformed) {
        let halves = text.split(separator: ":", omittingEmptySubsequences: false)
        guard halves.count == 2 else { throw Malformed(text: text) }
        let names = halves[0].split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(names.count), (names + [halves[1]]).allSatisfy(Self.isLabel) else {
            throw Malformed(text: text)
        }
        namespace = names.count == 2 ? String(names[0]) : nil
        name = String(names[names.count - 1])
        port = String(halves[1])
    }

    package var description: String { (namespace.map { $0 + "/" } ?? "") + name + ":" + port }

    /// What Kubernetes allows as the name of a namespace, a Service or a port, and nothing that a URL would have to
    /// escape. Source: RFC 1123, section 2.1.
    static func isLabel(_ text: some StringProtocol) -> Bool {
        (1...63).contains(text.utf8.count) && !text.hasPrefix("-") && !text.hasSuffix("-")
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            }
    }
}
