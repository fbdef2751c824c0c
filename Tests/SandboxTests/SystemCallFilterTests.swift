import CSandbox
import Glibc
import TestSupport
import Testing

@testable import Sandbox

/// The filter's program, run as the kernel would.
@Suite struct SystemCallFilterTests {
    struct Call {
        var number: UInt32
        var arguments: [UInt32] = [0, 0, 0, 0]
        var architecture = SystemCallFilter.architecture

        /// What `struct seccomp_data` has at an offset.
        func word(at offset: UInt32) -> UInt32? {
            switch offset {
            case 0: number
            case 4: architecture
            case 16, 24, 32, 40: arguments[Int(offset - 16) / 8]
            default: nil
            }
        }
    }

    /// What the program returns, by the kernel's Documentation/networking/filter.rst; nil when it leaves its end or reads
    /// what is not there.
    static func verdict(_ program: [sock_filter], on call: Call) -> UInt32? {
        var (place, accumulator) = (0, UInt32(0))
        while program.indices.contains(place) {
            let instruction = program[place]
            place += 1
            var holds: Bool
            switch instruction.code {
            case 0x20:
                guard let word = call.word(at: instruction.k) else { return nil }
                accumulator = word
                continue
            case 0x05:
                place += Int(instruction.k)
                continue
            case 0x06: return instruction.k
            case 0x15: holds = accumulator == instruction.k
            case 0x25: holds = accumulator > instruction.k
            case 0x45: holds = accumulator & instruction.k != 0
            default: return nil
            }
            place += Int(holds ? instruction.jt : instruction.jf)
        }
        return nil
    }

    static let filter = SystemCallFilter(refusing: SystemCallTable.refused, newest: SystemCallTable.newest)
    static let allow: UInt32 = 0x7fff_0000
    static func failure(_ error: Int32) -> UInt32 { 0x0005_0000 | UInt32(error) }

    /// What the table says of a call, without a program.
    static func expected(_ call: Call) -> UInt32 {
        let row = SystemCallTable.refused.first { row in
            guard row.number == Int32(call.number) else { return false }
            return switch row.when {
            case .always: true
            case .anyBit(let bits, let at): call.arguments[at] & bits != 0
            case .noBit(let bit, let at): call.arguments[at] & bit == 0
            case .value(let values, let at): values.contains(call.arguments[at])
            case .valueNot(let values, let at): !values.contains(call.arguments[at])
            case .pair(let values, let at, let others, let other):
                values.contains(call.arguments[at]) && !others.contains(call.arguments[other])
            }
        }
        return row.map { failure($0.error) } ?? allow
    }

    @Test func `each call gets what the table says, whatever its arguments`() {
        var random = SeededRandom(seed: 7)
        // Those that conditions look for, and others.
        let words: [UInt32] = [
            0, 1, 2, 3, 6, 10, 16, 17, 0x40, 0x41, 0x200, 0x241, 0x10000, 0x3d0f00, 0x5412, 0x5413, 0x541C, 0x2000_0000,
            0x2000_4000, .max,
        ]
        for number in 0...UInt32(SystemCallTable.newest) {
            for _ in 0..<50 {
                let arguments = (0..<4).map { _ in words.randomElement(using: &random) ?? 0 }
                let call = Call(number: number, arguments: arguments)
                #expect(Self.verdict(Self.filter.instructions, on: call) == Self.expected(call), "\(call)")
            }
        }
    }

    @Test func `rows of one call stand together`() {
        let numbers = SystemCallTable.refused.map(\.number)
        let places = zip(numbers, numbers.dropFirst()).count { $0 != $1 } + 1
        #expect(Set(numbers).count == places)
        #expect(SystemCallTable.refused.allSatisfy { $0.number <= SystemCallTable.newest })
    }

    @Test func `calls of later kernels are unknown, and those of another architecture end the process`() {
        for number in [UInt32(SystemCallTable.newest) + 1, 0x4000_003B, .max] {
            #expect(Self.verdict(Self.filter.instructions, on: Call(number: number)) == Self.failure(ENOSYS))
        }
        let other = Call(number: 0, architecture: 0x4000_0003)
        #expect(Self.verdict(Self.filter.instructions, on: other) == 0x8000_0000)
    }

    @Test func `sockets of IP are those of TCP and UDP`() {
        func verdict(_ family: UInt32, _ protocolNumber: UInt32) -> UInt32? {
            let call = Call(number: UInt32(SYS_socket), arguments: [family, 1, protocolNumber, 0])
            return Self.verdict(Self.filter.instructions, on: call)
        }
        for family: UInt32 in [2, 10] {
            for known: UInt32 in [0, 6, 17] { #expect(verdict(family, known) == Self.allow) }
            // ICMP, SCTP, raw, SMC, MPTCP.
            for other: UInt32 in [1, 132, 255, 256, 262] {
                #expect(verdict(family, other) == Self.failure(EPROTONOSUPPORT))
            }
        }
        // Netlink's protocols are its families of messages.
        for family: UInt32 in [1, 16] { #expect(verdict(family, 15) == Self.allow) }
        #expect(verdict(17, 0) == Self.failure(EAFNOSUPPORT))
    }

    @Test(arguments: [(SYS_sendto, 3), (SYS_sendmsg, 2), (SYS_sendmmsg, 3)])
    func `nothing is sent that connects by itself`(number: Int32, argument: Int) {
        var call = Call(number: UInt32(number))
        for (flags, verdict) in [(0x4000, Self.allow), (0x2000_4000, Self.failure(EOPNOTSUPP))] {
            call.arguments[argument] = UInt32(flags)
            #expect(Self.verdict(Self.filter.instructions, on: call) == verdict)
        }
    }

    /// What a worker lives on.
    @Test(arguments: [
        SYS_read, SYS_write, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_futex, SYS_epoll_pwait, SYS_eventfd2,
        SYS_accept4, SYS_sendmsg, SYS_recvmsg, SYS_bind, SYS_listen, SYS_connect, SYS_prctl, SYS_exit_group,
        SYS_rt_sigaction, SYS_getrandom, SYS_clock_nanosleep, SYS_sched_setaffinity, SYS_tgkill,
    ])
    func `what a worker needs is allowed`(_ number: Int32) {
        #expect(Self.verdict(Self.filter.instructions, on: Call(number: UInt32(number))) == Self.allow)
    }
}
