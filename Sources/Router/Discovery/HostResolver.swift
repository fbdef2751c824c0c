import Glibc
import NIOCore
import NIOPosix

/// Asks the system's resolver, on a thread that may wait for it.
enum HostResolver {
    struct Failure: Error {
        /// Of getaddrinfo.
        var code: Int32
    }

    static func addresses(of name: String, on eventLoop: any EventLoop) -> EventLoopFuture<[String]> {
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { try addresses(of: name) }
    }

    /// All IPv4 addresses; where there are none, all IPv6 addresses: a machine with both is one worker, not two.
    static func addresses(of name: String) throws(Failure) -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        // SAFETY: the list is the resolver's until freeaddrinfo below; nothing of it is kept.
        let code = getaddrinfo(name, nil, &hints, &list)
        guard code == 0 else { throw Failure(code: code) }
        defer { freeaddrinfo(list) }
        var (four, six): (Set<String>, Set<String>) = ([], [])
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            guard let address = entry.ai_addr else { continue }
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard
                getnameinfo(
                    address, entry.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
            else { continue }
            let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if entry.ai_family == AF_INET { four.insert(host) } else { six.insert(host) }
        }
        return (four.isEmpty ? six : four).sorted()
    }
}
