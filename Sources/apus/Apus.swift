import ArgumentParser

@main
struct Apus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Serve open models on machines you own.",
        discussion: """
            `apus serve MODEL.gguf` is all it takes on one machine. On several, run `apus worker` where the models are and
            `apus router` in front of them.

            Every setting is a flag (--http-port), a variable (APUS_HTTP_PORT) or a line of the YAML file that --config
            names (http-port: 8000); the first that is given counts.
            """,
        version: ApusVersion.text,
        subcommands: [
            Serve.self, RouterCommand.self, WorkerCommand.self, Chat.self, Bench.self, Eval.self, Inspect.self,
            Pull.self,
            Quantize.self, Simulate.self, Health.self, KeyCommand.self,
        ])
}

enum ApusVersion {
    static let text = "0.1.0"
}
