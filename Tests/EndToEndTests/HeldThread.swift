import Foundation
import Synchronization

/// One thread of a process of ours, held still as a debugger holds it: a hang that nothing in the program plays.
///
/// Held until its process ends. The system knows the thread that holds it by, so that has to live as long.
enum HeldThread {
    private static let (seize, interrupt): (Int32, Int32) = (0x4206, 0x4207)
    /// Waits for threads too, and not for children of one's own alone.
    private static let everyThread: Int32 = 0x4000_0000

    /// Returns when it stands still.
    static func hold(_ name: String, of process: Int32) throws {
        guard let thread = find(name, of: process) else {
            throw ApusProcess.Failure(description: "process \(process) has no thread \(name)")
        }
        let held = Outcome()
        Thread.detachNewThread {
            var status: Int32 = 0
            let isHeld =
                trace(seize, thread) == 0 && trace(interrupt, thread) == 0
                && waitpid(thread, &status, everyThread) == thread
            held.set(isHeld ? 0 : errno)
            // Its end is told to this thread first, and to the parent of its process only then.
            while isHeld, waitpid(thread, &status, everyThread) == thread, status & 0xFF == 0x7F {}
        }
        try eventually("\(name) of process \(process) held") { held.value != nil }
        guard held.value == 0 else {
            throw ApusProcess.Failure(description: "\(name) could not be held (errno \(held.value ?? 0))")
        }
    }

    /// Seconds of CPU that a thread has used.
    static func seconds(_ name: String, of process: Int32) -> Double {
        guard let thread = find(name, of: process),
            let text = try? String(contentsOfFile: "/proc/\(process)/task/\(thread)/stat", encoding: .utf8)
        else { return 0 }
        // Fields from the third on; user and system time are the 14th and 15th.
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        return fields.dropFirst(11).prefix(2).compactMap { Double($0) }.reduce(0, +) / 100
    }

    private static func find(_ name: String, of process: Int32) -> Int32? {
        let folder = "/proc/\(process)/task"
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return threads.first { thread in
            (try? String(contentsOfFile: "\(folder)/\(thread)/comm", encoding: .utf8)) == name + "\n"
        }.flatMap { Int32($0) }
    }

    /// C's declaration takes any number of arguments, which Swift cannot call.
    private static func trace(_ request: Int32, _ thread: Int32) -> Int {
        typealias Trace = @convention(c) (Int32, pid_t, UInt, UInt) -> Int
        guard let symbol = dlsym(nil, "ptrace") else { return -1 }
        return unsafeBitCast(symbol, to: Trace.self)(request, thread, 0, 0)
    }

    /// 0 when the thread is held, else why not, as an errno.
    private final class Outcome: Sendable {
        private let content = Mutex<Int32?>(nil)
        var value: Int32? { content.withLock { $0 } }
        func set(_ value: Int32) { content.withLock { $0 = value } }
    }
}
