import CKernels

/// Instruction sets the kernels are compiled for. All give the same bits.
package enum KernelISA: UInt32, CaseIterable, Sendable {
    case plain = 0
    case avx2 = 1
    case avx512 = 2
    case neon = 3
    case amx = 4

    package var isAvailable: Bool { apus_isa_available(apus_isa(rawValue)) != 0 }

    /// All that this machine can run, plain C first.
    package static var available: [KernelISA] { allCases.filter(\.isAvailable) }

    /// What this process computes with: the best the machine has, unless a test chose another.
    package static var selected: KernelISA { KernelISA(rawValue: apus_isa_selected().rawValue) ?? .plain }

    /// For tests, before any thread computes. Ignored when the machine lacks it.
    package static func select(_ isa: KernelISA) { _ = apus_isa_select(apus_isa(isa.rawValue)) }
}
