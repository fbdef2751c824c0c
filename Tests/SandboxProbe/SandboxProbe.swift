import Glibc
import Sandbox

/// Keeps to a sandbox's rules, then tries what it may and may not, and says what came of each: a line "what errno".
@main
enum SandboxProbe {
    static func main() throws {
        guard let attempts = Attempts(CommandLine.arguments) else { exit(2) }
        let rules = SandboxRules(
            readable: SystemFiles.paths + [attempts.folder + "/in"], listening: [attempts.port])
        let force = try Sandbox.enter(rules, .auto)
        print("landlock \(force.landlockVersion ?? 0)")
        print("seccomp \(force.filtersCalls ? 1 : 0)")
        let code = Attempts.makeOnThread()
        guard code == 0 else { exit(code) }
    }
}
