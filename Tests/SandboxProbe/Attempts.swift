import Glibc

/// What a process in the sandbox tries, and what comes of it: 0, or an errno.
struct Attempts {
    /// With in/file, out/file and in/link, which leads to out/file.
    let folder: String
    /// One to listen on, and another.
    let port: UInt16
    let otherPort: UInt16

    /// nil when the arguments are others than FOLDER PORT OTHERPORT.
    init?(_ arguments: [String]) {
        guard arguments.count == 4, let port = UInt16(arguments[2]), let otherPort = UInt16(arguments[3]) else {
            return nil
        }
        folder = arguments[1]
        self.port = port
        self.otherPort = otherPort
    }

    /// Makes them on a thread of its own, and prints what comes of each.
    /// - Returns: why there is no thread: an errno; else 0.
    static func makeOnThread() -> Int32 {
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { _ in
                for (what, error) in Attempts(CommandLine.arguments)?.outcomes ?? [] { print("\(what) \(error)") }
                return nil
            }, nil)
        if code == 0 { pthread_join(thread, nil) }
        return code
    }

    private var outcomes: [(what: String, error: Int32)] {
        [
            ("read-inside", opened(folder + "/in/file", O_RDONLY)),
            ("list-inside", opened(folder + "/in", O_RDONLY | O_DIRECTORY)),
            ("read-outside", opened(folder + "/out/file", O_RDONLY)),
            ("read-by-link", opened(folder + "/in/link", O_RDONLY)),
            ("list-outside", opened(folder + "/out", O_RDONLY | O_DIRECTORY)),
            ("write-inside", opened(folder + "/in/file", O_WRONLY)),
            ("write-outside", opened(folder + "/out/file", O_RDWR)),
            ("create", opened(folder + "/in/new", O_WRONLY | O_CREAT)),
            ("truncate", failed(truncate(folder + "/in/file", 0))),
            ("unlink", failed(unlink(folder + "/in/file"))),
            ("rename", failed(rename(folder + "/in/file", folder + "/in/other"))),
            ("mkdir", failed(mkdir(folder + "/in/folder", 0o755))),
            ("chmod", failed(chmod(folder + "/in/file", 0o777))),
            ("link", failed(link(folder + "/in/file", folder + "/in/hard"))),
            ("execve", executed("/bin/true")),
            ("spawn", spawned("/bin/true")),
            ("setuid", failed(setuid(getuid()))),
            ("packet-socket", descriptor(socket(17, Int32(SOCK_RAW.rawValue), 0))),
            ("listen", bound(port)),
            ("listen-elsewhere", bound(otherPort)),
            ("connect", connected(otherPort)),
            ("multipath", descriptor(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 262))),
            ("sendto-connecting", connectedBySending(otherPort, asMessage: false)),
            ("sendmsg-connecting", connectedBySending(otherPort, asMessage: true)),
            ("signal-itself", failed(kill(getpid(), 0))),
            ("signal-parent", failed(kill(getppid(), 0))),
        ]
    }

    private func failed(_ result: Int32) -> Int32 { result == 0 ? 0 : errno }

    private func descriptor(_ result: Int32) -> Int32 {
        guard result >= 0 else { return errno }
        close(result)
        return 0
    }

    private func opened(_ path: String, _ flags: Int32) -> Int32 { descriptor(open(path, flags | O_CLOEXEC, 0o600)) }

    /// Returns only where it may not.
    private func executed(_ path: String) -> Int32 {
        var words: [UnsafeMutablePointer<CChar>?] = [strdup(path), nil]
        execve(path, &words, nil)
        return errno
    }

    private func spawned(_ path: String) -> Int32 {
        var child = pid_t()
        var words: [UnsafeMutablePointer<CChar>?] = [strdup(path), nil]
        return posix_spawn(&child, path, nil, nil, &words, nil)
    }

    private func withAddress(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    private func bound(_ port: UInt16) -> Int32 {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(made) }
        return failed(withAddress(port) { bind(made, $0, $1) })
    }

    /// TCP Fast Open: the first piece connects the socket.
    private func connectedBySending(_ port: UInt16, asMessage: Bool) -> Int32 {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(made) }
        let fastOpen: Int32 = 0x2000_0000
        var byte: UInt8 = 0
        return withUnsafeMutablePointer(to: &byte) { byte in
            var piece = iovec(iov_base: byte, iov_len: 1)
            return withUnsafeMutablePointer(to: &piece) { piece in
                withAddress(port) { address, length in
                    guard asMessage else {
                        return sendto(made, byte, 1, fastOpen, address, length) < 0 ? errno : 0
                    }
                    var message = msghdr()
                    message.msg_name = UnsafeMutableRawPointer(mutating: address)
                    message.msg_namelen = length
                    message.msg_iov = piece
                    message.msg_iovlen = 1
                    return sendmsg(made, &message, fastOpen) < 0 ? errno : 0
                }
            }
        }
    }

    private func connected(_ port: UInt16) -> Int32 {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(made) }
        return failed(withAddress(port) { connect(made, $0, $1) })
    }
}
