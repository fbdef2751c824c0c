import Glibc
import HTTP

/// Where the API server of the cluster is, and as whom a pod speaks to it.
///
/// Source: Kubernetes documentation, "Accessing the Kubernetes API from a Pod".
package struct ServiceAccount: Sendable {
    package enum Problem: Error, Equatable, Sendable, CustomStringConvertible {
        /// The variable that kubelet sets in every container is not there.
        case notInCluster(variable: String)
        case unreadable(file: String)
        case malformed(file: String)
        case badAuthority(String)

        package var description: String {
            switch self {
            case .notInCluster(let variable):
                "\(variable) is not set to what a container in Kubernetes has: worker-service works only there."
            case .unreadable(let file):
                "\(file) cannot be read: the pod needs a service account and automountServiceAccountToken: true."
            case .malformed(let file): "\(file) does not hold what Kubernetes puts there."
            case .badAuthority(let reason): reason
            }
        }
    }

    /// Where kubelet puts the account's files.
    package static let defaultFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

    package var host: String
    package var port: Int
    package var folder: String

    package init(host: String, port: Int, folder: String = ServiceAccount.defaultFolder) {
        self.host = host
        self.port = port
        self.folder = folder
    }

    /// - Parameter environment: the value of a variable of this process.
    package init(
        environment: (String) -> String?, folder: String = ServiceAccount.defaultFolder
    ) throws(Problem) {
        let (hostName, portName) = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
        guard let host = environment(hostName), !host.isEmpty else { throw .notInCluster(variable: hostName) }
        guard let port = environment(portName).flatMap({ Int($0) }), (1...65535).contains(port) else {
            throw .notInCluster(variable: portName)
        }
        self.init(host: host, port: port, folder: folder)
    }

    /// The namespace this pod runs in.
    package func namespace() throws(Problem) -> String {
        let text = try Self.text(of: folder + "/namespace")
        guard ServiceReference.isLabel(text) else { throw .malformed(file: folder + "/namespace") }
        return text
    }

    /// Read anew for each request: kubelet replaces it within the hour, from memory to memory.
    func token() throws(Problem) -> String {
        let text = try Self.text(of: folder + "/token")
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw .malformed(file: folder + "/token")
        }
        return text
    }

    /// Made anew for each connection: the cluster's authority may change.
    func tls() throws(Problem) -> TLSContextBox {
        var options = TLSOptions(authorityFile: folder + "/ca.crt")
        options.protocols = ["http/1.1"]
        do throws(TLSError) { return try TLSContextBox.client(options) } catch { throw .badAuthority("\(error)") }
    }

    /// A short file as text, without white space at its ends.
    private static func text(of path: String) throws(Problem) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(file: path) }
        defer { close(descriptor) }
        // 64 KiB: a token has about one.
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        var count = 0
        while count < bytes.count {
            // SAFETY: at most as many bytes are written as there are behind `count`.
            let length = bytes.withUnsafeMutableBytes {
                read(descriptor, $0.baseAddress.map { $0 + count }, $0.count - count)
            }
            guard length >= 0 else { throw .unreadable(file: path) }
            if length == 0 { break }
            count += length
        }
        guard count < bytes.count, let text = String(validating: bytes.prefix(count), as: UTF8.self) else {
            throw .malformed(file: path)
        }
        return String(text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
