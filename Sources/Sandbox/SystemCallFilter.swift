import CSandbox
import Glibc

/// The table of refused calls as a program for the kernel's filter.
///
/// Most calls are decided by their number alone: the kernel computes those once when it takes the filter (since 5.11),
/// and they cost nothing after that. Source: seccomp(2); struct seccomp_data in linux/seccomp.h.
struct SystemCallFilter {
    private(set) var instructions: [sock_filter] = []

    /// In `struct seccomp_data`.
    private enum Offset {
        static let number: UInt32 = 0
        static let architecture: UInt32 = 4
        /// The low half of an argument; both architectures are little-endian.
        static func argument(_ index: Int) -> UInt32 { 16 + 8 * UInt32(index) }
    }

    #if arch(x86_64)
    static let architecture: UInt32 = 0xC000_003E
    #elseif arch(arm64)
    static let architecture: UInt32 = 0xC000_00B7
    #endif

    private static let allow: UInt32 = 0x7fff_0000
    private static let killProcess: UInt32 = 0x8000_0000

    private static func fail(_ error: Int32) -> UInt32 { 0x0005_0000 | UInt32(error) }

    /// - Parameter newest: greater numbers fail with ENOSYS, as do those of x32, which are far greater.
    init(refusing calls: [RefusedCall], newest: Int32) {
        load(Offset.architecture)
        jump(0x15, Self.architecture, skipsIfNot: 0, skipsIf: 1)
        end(Self.killProcess)
        load(Offset.number)
        jump(0x25, UInt32(newest), skipsIfNot: 1)
        end(Self.fail(ENOSYS))
        var rest = calls[...]
        while let number = rest.first?.number {
            let rows = rest.prefix { $0.number == number }
            refuse(number, rows)
            rest = rest.dropFirst(rows.count)
        }
        end(Self.allow)
    }

    /// - Parameter rows: of this call. Where one does not fit, the next is looked at.
    private mutating func refuse(_ number: Int32, _ rows: ArraySlice<RefusedCall>) {
        var body = rows.flatMap { conditions($0.when) + [Self.returning(Self.fail($0.error))] }
        if !rows.contains(where: { $0.when == .always }) { body.append(Self.returning(Self.allow)) }
        jump(0x15, UInt32(number), skipsIfNot: UInt8(body.count))
        instructions += body
    }

    /// Leads to the instruction behind where the call is refused, and to the one after that where it is not.
    private func conditions(_ when: RefusedCall.Case) -> [sock_filter] {
        switch when {
        case .always: []
        case .anyBit(let bits, let argument):
            [Self.loading(Offset.argument(argument)), Self.jumping(0x45, bits, skipsIfNot: 1)]
        case .noBit(let bit, let argument):
            [Self.loading(Offset.argument(argument)), Self.jumping(0x45, bit, skipsIf: 1)]
        case .value(let values, let argument):
            // Each but the last skips those behind it.
            [Self.loading(Offset.argument(argument))]
                + values.enumerated().map { index, value in
                    let behind = UInt8(values.count - 1 - index)
                    return Self.jumping(0x15, value, skipsIfNot: behind == 0 ? 1 : 0, skipsIf: behind)
                }
        case .valueNot(let values, let argument):
            [Self.loading(Offset.argument(argument))]
                + values.enumerated().map { index, value in
                    Self.jumping(0x15, value, skipsIf: UInt8(values.count - index))
                }
        case .pair(let values, let argument, let others, let otherArgument):
            pair(
                isOther: conditions(.valueNot(in: values, argument: argument)),
                conditions(.valueNot(in: others, argument: otherArgument)))
        }
    }

    /// The second condition, where the first does not hold; else past it and the refusal behind.
    private func pair(isOther: [sock_filter], _ second: [sock_filter]) -> [sock_filter] {
        isOther + [Self.skipping(UInt32(second.count) + 1)] + second
    }

    // MARK: - Instructions of classic BPF: load a word (0x20), jumps (always 0x05, equal 0x15, greater 0x25, bits 0x45),
    // return (0x06)

    private static func loading(_ offset: UInt32) -> sock_filter { sock_filter(code: 0x20, jt: 0, jf: 0, k: offset) }

    private static func jumping(
        _ code: UInt16, _ operand: UInt32, skipsIfNot: UInt8 = 0, skipsIf: UInt8 = 0
    ) -> sock_filter { sock_filter(code: code, jt: skipsIf, jf: skipsIfNot, k: operand) }

    private static func skipping(_ count: UInt32) -> sock_filter { sock_filter(code: 0x05, jt: 0, jf: 0, k: count) }

    private static func returning(_ value: UInt32) -> sock_filter { sock_filter(code: 0x06, jt: 0, jf: 0, k: value) }

    private mutating func load(_ offset: UInt32) { instructions.append(Self.loading(offset)) }

    private mutating func jump(_ code: UInt16, _ operand: UInt32, skipsIfNot: UInt8, skipsIf: UInt8 = 0) {
        instructions.append(Self.jumping(code, operand, skipsIfNot: skipsIfNot, skipsIf: skipsIf))
    }

    private mutating func end(_ value: UInt32) { instructions.append(Self.returning(value)) }

    // MARK: - In force

    /// For all threads of the process, for good. The calling thread must have given up new privileges.
    /// - Returns: why not; nil when it is.
    func apply() -> String? {
        // SAFETY: the kernel copies the program within the call.
        let result = instructions.withUnsafeBufferPointer {
            apus_filter_calls($0.baseAddress, UInt16(truncatingIfNeeded: $0.count))
        }
        switch result {
        case 0: return nil
        case 1...: return "thread \(result) has a filter of its own"
        default: return KernelError.text(result)
        }
    }
}
