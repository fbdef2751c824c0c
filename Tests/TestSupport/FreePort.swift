import Glibc

package struct NoFreePort: Error {}

/// A TCP port that nobody listens on now, at any address, and that no connection gets before somebody does: the system
/// gives those from 32768 on to clients.
package func freePort() throws -> Int {
    for _ in 0..<100 {
        let port = UInt16.random(in: 12_000..<32_000)
        if try isFree(port) { return Int(port) }
    }
    throw NoFreePort()
}

private func isFree(_ port: UInt16) throws -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw NoFreePort() }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_ANY
    address.sin_port = port.bigEndian
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
