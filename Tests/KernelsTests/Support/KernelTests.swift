import Kernels
import Testing

/// Parent of all suites that choose an instruction set: the choice belongs to the whole process, so they take turns.
@Suite(.serialized) enum KernelTests {}

/// What `body` gives on every instruction set of this machine, plain C first. Afterwards the best one is chosen again.
func onEveryISA<Result>(_ body: (KernelISA) -> Result) -> [(isa: KernelISA, result: Result)] {
    let best = KernelISA.selected
    defer { KernelISA.select(best) }
    return KernelISA.available.map { isa in
        KernelISA.select(isa)
        return (isa, body(isa))
    }
}

/// Expects that every instruction set gives the bits that plain C gives, and hands those back.
@discardableResult
func expectSameBits(
    _ what: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () -> [Float]
) -> [Float] {
    let results = onEveryISA { _ in body().map(\.bitPattern) }
    for (isa, bits) in results where bits != results[0].result {
        let place = zip(bits, results[0].result).enumerated().first { $1.0 != $1.1 }?.offset ?? -1
        Issue.record("\(isa) differs from plain C at \(place) \(what())", sourceLocation: sourceLocation)
    }
    return results[0].result.map(Float.init(bitPattern:))
}
