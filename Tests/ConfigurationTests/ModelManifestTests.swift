import Testing

@testable import Configuration

@Suite struct ModelManifestTests {
    static let digest = String(repeating: "0f", count: 32)

    static func read(_ text: String) throws -> [ModelManifest.Entry] {
        try ModelManifest.read(text, path: "m.yaml")
    }

    @Test func `an entry is a path, and what differs from the flags`() throws {
        let entries = try Self.read(
            """
            models:
              - path: a.gguf
              - name: org/b
                path: /models/b.gguf
                sha256: \(Self.digest)
                workers: 3
                load: false
                slots: 16
                kv-memory: 1GiB
                prefix-cache: false
            """)

        var first = ModelManifest.Entry(path: "a.gguf", place: "models[0] in m.yaml")
        #expect(entries.first == first)
        first = ModelManifest.Entry(path: "/models/b.gguf", place: "models[1] in m.yaml")
        first.name = "org/b"
        first.digest = Array(repeating: 15, count: 32)
        first.workers = 3
        first.loadsAtStart = false
        first.computing = ["slots": "16", "kv-memory": "1GiB", "prefix-cache": "false"]
        #expect(entries.last == first)
    }

    @Test func `every setting of computing can differ by model`() {
        #expect(Set(ModelManifest.computingNames) == Set(WorkerKeys.computing))
    }

    @Test(arguments: [
        ("", "m.yaml: the file must have a list `models` of 1 to 256 entries and nothing else."),
        ("models: []", "m.yaml: the file must have a list `models` of 1 to 256 entries and nothing else."),
        ("models: [a]", "m.yaml: models[0] must have at least a path."),
        ("models: [{name: a}]", "m.yaml: models[0] has no path."),
        ("models: [{path: a}, {pth: a}]", "Unknown key models[1].pth in m.yaml. Did you mean path?"),
        ("models: [{path: a, slots: [1]}]", "m.yaml: models[0].slots must be one value."),
        (
            "models: [{path: a, slots: 0}]",
            "models[0].slots in m.yaml must be a whole number from 1 to 1024, not '0'."
        ),
        (
            "models: [{path: a, workers: 65}]",
            "models[0].workers in m.yaml must be a whole number from 1 to 64, not '65'."
        ),
        ("models: [{path: a, load: maybe}]", "models[0].load in m.yaml must be true or false, not 'maybe'."),
        ("models: [{path: a, sha256: abc}]", "models[0].sha256 in m.yaml must be 64 hexadecimal digits, not 'abc'."),
    ])
    func `what is wrong is named`(text: String, sentence: String) {
        let error = #expect(throws: ConfigurationError.self) { try Self.read(text) }
        #expect(error?.description == sentence)
    }
}
