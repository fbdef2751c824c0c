import CLibFuzzer
import FuzzTargets
import Glibc

/// libFuzzer around one target: `fuzz TARGET [-flags] [folders]`. Without arguments, the targets' names.
@main enum Driver {
    // SENDABLE: set once, before the fuzzer starts.
    nonisolated(unsafe) private static var target: FuzzTarget?

    static func main() {
        var arguments = CommandLine.arguments
        guard arguments.count >= 2, let target = FuzzTarget.all.first(where: { $0.name == arguments[1] }) else {
            return print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
        }
        Self.target = target
        arguments[1] = "-max_len=\(target.byteCountMax)"
        var count = Int32(arguments.count)
        // libFuzzer keeps what it is given until the process ends.
        let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: arguments.count + 1)
        for (place, argument) in arguments.enumerated() { list[place] = strdup(argument) }
        list[arguments.count] = nil
        var pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = list
        LLVMFuzzerRunDriver(&count, &pointer) { data, size in
            // SAFETY: `size` bytes are there during the call.
            if let problem = Driver.target?.run(Array(UnsafeBufferPointer(start: data, count: size))) {
                fatalError(problem)
            }
            return 0
        }
    }
}
