/// Settings of a worker, for `apus worker` and for each worker of `apus serve`.
package enum WorkerKeys {
    package static let model = Key<String>.text("model", "The model: a GGUF file or a folder.", "FILE")
    package static let name = Key<String>.text(
        "name", "Name under which the model is served; without it, the file's name.", "NAME", maxLength: 96)
    package static let host = Key<String>.text(
        "host", "Address to listen on; 0.0.0.0 for all.", "HOST", default: "127.0.0.1", maxLength: 253)
    package static let port = Key<Int>.integer(
        "port", "Port of the link to routers, and of gRPC health.", "PORT", default: 8101, in: 0...65535)
    package static let metricsPort = Key<Int>.integer(
        "metrics-port", "Port of metrics and health over HTTP.", "PORT", default: 8102, in: 0...65535)
    package static let threads = Key<Int>.integer(
        "threads", "Threads that compute; without it, the CPUs this process may use.", in: 1...256)
    package static let slots = Key<Int>.integer(
        "slots", "Sequences that may run at once.", default: 32, in: 1...1024)
    package static let kvMemory = Key<Int>.bytes(
        "kv-memory", "Memory for the KV cache; without it, enough for the slots within what the machine has.",
        in: (1 << 20)...(1 << 44))
    package static let kvType = Key<String>.choice(
        "kv-type", "How the KV cache holds numbers: q8 takes half the memory, f16 is exact to 11 bits.",
        of: ["f16", "q8"], default: "f16")
    package static let stepTokenBudget = Key<Int>.integer(
        "step-token-budget", "Tokens one step computes at most, prefill and decode together.", default: 256,
        in: 1...8192)
    package static let stepTimeTarget = Key<Double>.seconds(
        "step-time-target", "While answers run, prompts beside them are cut so that steps take about so long.",
        default: 0.08, in: 0.001...60)
    package static let prefillShare = Key<Int>.integer(
        "prefill-share", "Percent of a step's time that prompts get while answers run.", default: 45, in: 1...99)
    package static let hangTimeout = Key<Double>.seconds(
        "hang-timeout",
        "A step that takes longer than this, and than 20 times the slowest of late, means that the worker hangs.",
        default: 30, in: 1...3600)
    package static let contextLength = Key<Int>.integer(
        "context-length", "Tokens a sequence may have; without it, what the model was trained for.",
        in: 16...1_048_576)
    package static let prefixCache = Key<Bool>.boolean(
        "prefix-cache", "Reuse the KV pages of prompts that begin alike.", default: true)
    package static let speculation = Key<Bool>.boolean(
        "speculation", "Compute tokens ahead that the sequence's own text suggests; the answer is the same.",
        default: true)
    package static let quantize = Key<String>.choice(
        "quantize", "Load matrices that the file holds as F32, F16 or BF16 in this format.",
        of: ["none", "q8_0", "q4_0"], default: "none")

    package static let chatTemplate = Key<String>.text(
        "chat-template", "File with a chat template (Jinja) in place of the model's own.", "FILE")

    package static let sandbox = Key<String>.choice(
        "sandbox",
        "Whether a worker gives up, before it loads its model, what it does not need: writing files, other programs, most "
            + "files and ports. auto: as far as the kernel can; required: all of it, or it does not start.",
        of: ["auto", "off", "required"], default: "auto")

    package static let computing = [
        threads.name, slots.name, kvMemory.name, kvType.name, stepTokenBudget.name, stepTimeTarget.name,
        prefillShare.name, hangTimeout.name, contextLength.name, prefixCache.name, speculation.name, quantize.name,
        chatTemplate.name,
    ]
    package static let names =
        [model.name, name.name, host.name, port.name, metricsPort.name, sandbox.name] + AdminTLSKeys.names + computing
        + LinkTLSKeys.names
        + [TraceKeys.endpoint.name] + CommonKeys.names
}

/// Settings of `apus serve`: a router's and its workers'.
package enum ServeKeys {
    package static let models = Key<String>.text(
        "models",
        "YAML file that lists the models to serve, or a folder whose models are served; in place of one model.",
        "FILE")
    package static let workers = Key<Int>.integer(
        "workers", "Worker processes to start for each model; without it, one.", default: 1, in: 1...64)

    package static let names =
        [WorkerKeys.model.name, WorkerKeys.name.name, models.name, workers.name, WorkerKeys.sandbox.name]
        + RouterKeys.listening
        + RouterKeys.serving
        + WorkerKeys.computing + CommonKeys.names
}

/// Every name any program knows: what the environment may contain.
package enum EveryKey {
    package static let names = Set(RouterKeys.names + WorkerKeys.names + ServeKeys.names + ["config"]).sorted()
}
