import CLibFuzzer
import FuzzTargets
import Glibc

/// libFuzzer around one target: `fuzz TARGET [-flags] [folders]`. Without arguments, the targets' names.
@main enum Driver {
    // SENDABLE: set once, before the fuzzer starts.
    nonisolated(unsafe) private static var target: FuzzTarget?

    /// Of one input: with the sanitizer about what takes a second without it. Of the CPU's time and not of the clock's, so
    /// that a fuzzer may be stopped, or run on what others leave of a CPU.
    private static let secondsMax = 10

    private static let variable = "APUS_FUZZ_TARGET"

    static func main() {
        var arguments = CommandLine.arguments
        // To merge inputs libFuzzer starts this program again, with the arguments that it got from us.
        let inherited = getenv(variable).map { String(cString: $0) }
        guard arguments.count >= 2,
            let target = FuzzTarget.all.first(where: { $0.name == inherited ?? arguments[1] })
        else { return print(FuzzTarget.all.map(\.name).joined(separator: "\n")) }
        setenv(variable, target.name, 1)
        Self.target = target
        arguments[1] = "-max_len=\(target.byteCountMax)"
        var count = Int32(arguments.count)
        // libFuzzer keeps what it is given until the process ends.
        let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: arguments.count + 1)
        for (place, argument) in arguments.enumerated() { list[place] = strdup(argument) }
        list[arguments.count] = nil
        // libFuzzer keeps the input of what aborts.
        signal(SIGPROF) { _ in
            let why: StaticString = "one input takes too much CPU time\n"
            write(STDERR_FILENO, why.utf8Start, why.utf8CodeUnitCount)
            abort()
        }
        var pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = list
        LLVMFuzzerRunDriver(&count, &pointer) { data, size in
            var limit = itimerval()
            limit.it_value.tv_sec = Driver.secondsMax
            setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &limit, nil)
            // SAFETY: `size` bytes are there during the call.
            if let problem = Driver.target?.run(Array(UnsafeBufferPointer(start: data, count: size))) {
                fatalError(problem)
            }
            return 0
        }
    }
}
