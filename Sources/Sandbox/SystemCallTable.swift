import CSandbox
import Glibc

/// A system call that a filter refuses, always or by its arguments. Rows of one call stand together; the first that fits
/// says what it fails with.
struct RefusedCall: Equatable {
    enum Case: Equatable {
        case always
        /// The argument has one of these bits.
        case anyBit(of: UInt32, argument: Int)
        /// The argument lacks this bit.
        case noBit(UInt32, argument: Int)
        case value(in: [UInt32], argument: Int)
        case valueNot(in: [UInt32], argument: Int)
        /// One argument is among the first values, another one not among the second.
        case pair(in: [UInt32], argument: Int, notIn: [UInt32], otherArgument: Int)
    }

    var number: Int32
    var when = Case.always
    /// What the call fails with. Where the C library has another way to its end, ENOSYS sends it there.
    var error: Int32 = EPERM
}

/// What a process that has its files and sockets, and computes, never asks the kernel for.
///
/// It is a list of what is refused: what a C library, an allocator or a runtime asks for besides changes with its
/// version, and a worker that dies of an update's new call serves nobody. What is newer than the list is refused too.
enum SystemCallTable {
    static let refused = [programs, processes, files, writing, sockets, kernel, machine, identity].flatMap(\.self)

    /// Linux 6.18; later calls are as unknown to this process as they are to an older kernel.
    static let newest: Int32 = 469

    /// Other programs.
    private static let programs =
        always([SYS_execve, SYS_execveat]) + oldPrograms
        // The filter cannot see what clone3 is asked for: the C library goes back to clone, which makes threads.
        + [
            RefusedCall(number: SYS_clone, when: .noBit(0x10000, argument: 0)),
            RefusedCall(number: SYS_clone3, error: ENOSYS),
        ]

    /// Other processes' memory and files, and namespaces.
    private static let processes = always([
        SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_kcmp, SYS_pidfd_getfd,
        SYS_unshare, SYS_setns,
    ])

    /// File systems, and files by other names than paths.
    private static let files = always([
        SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig,
        SYS_fsmount, SYS_fspick, SYS_mount_setattr, SYS_quotactl, SYS_quotactl_fd, SYS_fanotify_init,
        SYS_name_to_handle_at, SYS_open_by_handle_at, 467,  // open_tree_attr
    ])

    /// Changes to files. Landlock knows nothing of owners, modes and times; where there is no Landlock, this is all.
    private static let writing =
        always([
            SYS_mkdirat, SYS_mknodat, SYS_unlinkat, SYS_renameat, SYS_renameat2, SYS_linkat, SYS_symlinkat,
            SYS_truncate, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_setxattr, SYS_lsetxattr,
            SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr, SYS_utimensat,
            452, 463, 466, 469,  // fchmodat2, setxattrat, removexattrat, file_setattr
        ]) + oldWriting
        + [
            RefusedCall(number: SYS_openat, when: .anyBit(of: writeFlags, argument: 2)),
            // Its flags are in memory, where the filter does not look.
            RefusedCall(number: SYS_openat2, error: ENOSYS),
        ]

    /// Doors into the kernel that attacks on it have come through.
    private static let kernel =
        always([
            SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_personality,
            SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load,
        ]) + oldKernel
        + [SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register].map {
            RefusedCall(number: $0, error: ENOSYS)
        }
        // TIOCSTI and TIOCLINUX type on the terminal of whoever started the process.
        + [RefusedCall(number: SYS_ioctl, when: .value(in: [0x5412, 0x541C], argument: 1))]

    /// Sockets of other kinds, and ways to connect that Landlock's rules for ports do not know.
    private static let sockets =
        [
            // Unix, IPv4, IPv6 and netlink, which lists addresses.
            RefusedCall(number: SYS_socket, when: .valueNot(in: [1, 2, 10, 16], argument: 0), error: EAFNOSUPPORT),
            // TCP and UDP: MPTCP, SMC and SCTP connect as TCP does.
            RefusedCall(
                number: SYS_socket,
                when: .pair(in: [2, 10], argument: 0, notIn: [0, 6, 17], otherArgument: 2), error: EPROTONOSUPPORT),
        ]
        // MSG_FASTOPEN connects by sending.
        + [(SYS_sendto, 3), (SYS_sendmsg, 2), (SYS_sendmmsg, 3)].map { number, flags in
            RefusedCall(number: number, when: .anyBit(of: 0x2000_0000, argument: flags), error: EOPNOTSUPP)
        }

    /// The machine's state.
    private static let machine = always([
        SYS_reboot, SYS_swapon, SYS_swapoff, SYS_sethostname, SYS_setdomainname, SYS_settimeofday, SYS_clock_settime,
        SYS_adjtimex, SYS_clock_adjtime, SYS_acct, SYS_syslog, SYS_vhangup,
    ])

    /// Who the process is.
    private static let identity = always([
        SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid, SYS_setfsgid,
        SYS_setgroups, SYS_capset,
    ])

    private static let writeFlags = UInt32(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

    private static func always(_ numbers: [Int32]) -> [RefusedCall] { numbers.map { RefusedCall(number: $0) } }

    // Calls that only the older architecture has.
    #if arch(x86_64)
    private static let oldPrograms = always([SYS_fork, SYS_vfork])
    private static let oldWriting =
        always([
            SYS_creat, SYS_mkdir, SYS_mknod, SYS_rmdir, SYS_unlink, SYS_rename, SYS_link, SYS_symlink, SYS_chmod,
            SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat,
        ]) + [RefusedCall(number: SYS_open, when: .anyBit(of: writeFlags, argument: 1))]
    private static let oldKernel = always([
        SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS__sysctl, SYS_sysfs, SYS_ustat,
    ])
    #else
    private static let oldPrograms: [RefusedCall] = []
    private static let oldWriting: [RefusedCall] = []
    private static let oldKernel: [RefusedCall] = []
    #endif
}
