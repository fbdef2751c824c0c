/// What the C library, OpenSSL and the runtime read of a system, without secrets of it or of other services.
package enum SystemFiles {
    package static let paths = libraries + names + times + certificates + machine

    /// Shared libraries that are opened late, their configuration, locales.
    private static let libraries = [
        "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache",
    ]
    /// How names of hosts become addresses.
    private static let names = [
        "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/resolv.conf",
        "/run/systemd/resolve", "/etc/services",
    ]
    private static let times = ["/etc/localtime", "/usr/share/zoneinfo"]
    /// Authorities of the system, and OpenSSL's configuration.
    private static let certificates = [
        "/etc/ssl/openssl.cnf", "/etc/ssl/certs", "/etc/ssl/cert.pem", "/usr/share/ca-certificates",
        "/usr/local/share/ca-certificates", "/etc/pki/tls/certs", "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust",
        "/etc/crypto-policies",
    ]
    /// Memory, CPUs and control groups. All of /proc: the kernel makes the folder of a process anew when it likes, so that
    /// no rule holds on to it. Landlock keeps other processes' memory and environment shut.
    private static let machine = [
        "/proc", "/sys/fs/cgroup", "/sys/devices/system", "/sys/kernel/mm", "/dev/null", "/dev/urandom",
    ]
}
