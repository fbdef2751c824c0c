import Testing

@testable import Configuration

@Suite struct SettingsTests {
    static let port = Key<Int>.integer("http-port", "Port.", "PORT", default: 8000, in: 0...65535)
    static let workers = Key<[String]>.list("worker-address", "Workers.", "HOST:PORT")
    static let memory = Key<Int>.bytes("kv-memory", "KV memory.", in: 1...(1 << 40))
    static let names = [port.name, workers.name, memory.name]

    func settings(
        environment: [String: String] = [:], yaml: String? = nil
    ) throws(ConfigurationError) -> Settings {
        try Settings(environment: environment, yaml: yaml, filePath: "apus.yaml", known: Self.names)
    }

    @Test func `a flag beats the environment, which beats the file, which beats the default`() throws {
        let environment = ["APUS_HTTP_PORT": "2"]
        let yaml = "http-port: 3"

        #expect(try settings().value(Self.port) == 8000)
        #expect(try settings(yaml: yaml).value(Self.port) == 3)
        #expect(try settings(environment: environment, yaml: yaml).value(Self.port) == 2)
        #expect(try settings(environment: environment, yaml: yaml).value(Self.port, flag: "1") == 1)
    }

    @Test(arguments: [
        ("--http-port", "70000", "--http-port must be a whole number from 0 to 65535, not '70000'."),
        ("--http-port", "eighty", "--http-port must be a whole number from 0 to 65535, not 'eighty'."),
        ("--http-port", "", "--http-port must be a whole number from 0 to 65535, not ''."),
    ])
    func `a bad value says where it stands and what it should be`(place: String, text: String, sentence: String) throws
    {
        let defaults = try settings()
        #expect {
            try defaults.value(Self.port, flag: text)
        } throws: {
            "\($0)" == sentence
        }
    }

    @Test func `a list is taken where one is meant, and refused elsewhere`() throws {
        #expect(try settings(yaml: "worker-address: [a:1, b:2]").value(Self.workers) == ["a:1", "b:2"])
        let one = try settings(yaml: "http-port: [1, 2]")
        #expect(
            throws: ConfigurationError.badValue(
                place: "http-port in apus.yaml", value: "[1,2]", expected: "one value, not a list")
        ) { try one.value(Self.port) }
        #expect(
            throws: ConfigurationError.unreadable(
                path: "apus.yaml", reason: "worker-address must be a list of plain values")
        ) { try settings(yaml: "worker-address: [a:1, {b: 2}]") }
    }

    @Test func `an unknown key in the file names the nearest`() {
        #expect(throws: ConfigurationError.unknownKey("htp-port", place: "apus.yaml", nearest: "http-port")) {
            try settings(yaml: "htp-port: 1")
        }
        #expect(throws: ConfigurationError.unknownKey("zebra", place: "apus.yaml", nearest: nil)) {
            try settings(yaml: "zebra: 1")
        }
    }

    @Test func `an unknown variable names the nearest, but those of Kubernetes Services are let be`() throws {
        #expect(
            throws: ConfigurationError.unknownKey(
                "APUS_HTTP_PROT", place: "the environment", nearest: "APUS_HTTP_PORT")
        ) {
            try settings(environment: ["APUS_HTTP_PROT": "1"])
        }
        let inCluster = try settings(environment: [
            "APUS_ROUTER_SERVICE_HOST": "10.0.0.1", "APUS_ROUTER_PORT_8000_TCP_ADDR": "10.0.0.1",
            "APUS_HTTP_PORT": "tcp://10.0.0.1:8000", "HOME": "/",
        ])
        #expect(try inCluster.value(Self.port) == 8000)
    }

    @Test func `lists come with commas or as YAML lists`() throws {
        #expect(try settings().value(Self.workers, flag: "a:1, b:2") == ["a:1", "b:2"])
        #expect(try settings(yaml: "worker-address:\n  - a:1\n  - b:2").value(Self.workers) == ["a:1", "b:2"])
        #expect(throws: ConfigurationError.self) { try settings().value(Self.workers, flag: "a,,b") }
    }

    @Test(arguments: [("1", 1), ("2KiB", 2048), ("3Mi", 3 << 20), ("4GiB", 4 << 30)])
    func `bytes take binary units`(text: String, bytes: Int) throws {
        #expect(try settings().optional(Self.memory, flag: text) == bytes)
    }

    @Test(arguments: ["0", "-1", "9223372036854775807GiB", "1.5GiB", "GiB", "1TB"])
    func `bytes that cannot be are refused`(text: String) {
        #expect(throws: ConfigurationError.self) { try settings().optional(Self.memory, flag: text) }
    }

    @Test(arguments: ["[1, 2]", "just text", "http-port: {a: 1}", "http-port: 1\nhttp-port: 2", "a: [", "\t- x: :"])
    func `a file that is not a mapping of keys is refused with its path`(yaml: String) {
        #expect {
            try settings(yaml: yaml)
        } throws: {
            "\($0)".contains("apus.yaml")
        }
    }

    @Test func `an empty file says nothing`() throws {
        #expect(try settings(yaml: "").value(Self.port) == 8000)
        #expect(try settings(yaml: "# only a comment\n").value(Self.port) == 8000)
    }
}
