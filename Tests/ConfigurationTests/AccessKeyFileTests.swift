import Testing

@testable import Configuration

@Suite struct AccessKeyFileTests {
    static let digest = String(repeating: "0f", count: 32)

    static func read(_ text: String) throws -> [AccessKeyFile.Entry] {
        try AccessKeyFile.read(text, path: "k.yaml", roles: ["inference", "metrics"])
    }

    @Test func `entries say who, what and how much`() throws {
        let entries = try Self.read(
            """
            keys:
              - name: a
                sha256: \(Self.digest)
              - name: "b c"
                sha256: \(String(repeating: "AB", count: 32))
                roles: [metrics, inference]
                requests-per-minute: 5
                tokens-per-minute: 1000
                tokens-per-day: 2000
                requests-at-once: 3
            """)

        #expect(
            entries == [
                .init(name: "a", digest: Array(repeating: 15, count: 32), roles: ["inference"]),
                .init(
                    name: "b c", digest: Array(repeating: 0xAB, count: 32), roles: ["metrics", "inference"],
                    requestsPerMinute: 5, tokensPerMinute: 1000, tokensPerDay: 2000, requestsAtOnce: 3),
            ])
    }

    @Test(arguments: [
        ("", "k.yaml: the file must have a list `keys` and nothing else."),
        ("keys: []", "k.yaml: the file must have a list `keys` and nothing else."),
        ("keys: [a]", "k.yaml: keys[0] must have name and sha256."),
        ("keys: [{name: a}]", "keys[0].sha256 in k.yaml must be 64 hexadecimal digits, not ''."),
        ("keys: [{name: a, sha256: 'éé'}]", "keys[0].sha256 in k.yaml must be 64 hexadecimal digits, not 'éé'."),
        ("keys: [{sha256: \(digest)}]", "keys[0].name in k.yaml must be a text of 1 to 128 bytes, not ''."),
        (
            "keys: [{name: a, sha256: \(digest), rolls: x}]",
            "Unknown key keys[0].rolls in k.yaml. Did you mean roles?"
        ),
        (
            "keys: [{name: a, sha256: \(digest), roles: [king]}]",
            "keys[0].roles in k.yaml must be of inference, metrics, not 'king'."
        ),
        (
            "keys: [{name: a, sha256: \(digest), requests-per-minute: 0}]",
            "keys[0].requests-per-minute in k.yaml must be a whole number of 1 to 1000000000, not '0'."
        ),
        (
            "keys: [{name: a, sha256: \(digest), requests-per-minute: [1]}]",
            "k.yaml: keys[0].requests-per-minute must be one value."
        ),
        (
            "keys: [{name: a, sha256: \(digest), tokens-per-day: {max: 1}}]",
            "k.yaml: keys[0].tokens-per-day must be one value."
        ),
        (
            "keys: [{name: a, sha256: \(digest), tokens-per-minute: }]",
            "keys[0].tokens-per-minute in k.yaml must be a whole number of 1 to 1000000000, not ''."
        ),
        ("keys: [{name: [a], sha256: \(digest)}]", "k.yaml: keys[0].name must be one value."),
        ("keys: [{name: a, sha256: {x: y}}]", "k.yaml: keys[0].sha256 must be one value."),
        (
            "keys: [{name: a, sha256: \(digest), roles: [inference, [metrics]]}]",
            "k.yaml: keys[0].roles must be a list of plain values."
        ),
        (
            "keys: [{name: a, sha256: \(digest), roles: {inference: true}}]",
            "k.yaml: keys[0].roles must be a list of plain values."
        ),
        (
            "keys: [{name: a, sha256: \(digest)}, {name: b, sha256: \(digest)}]",
            "k.yaml: keys[1] is a key that is there already."
        ),
    ])
    func `what is wrong is named`(text: String, sentence: String) {
        let error = #expect(throws: ConfigurationError.self) { try Self.read(text) }
        #expect(error?.description == sentence)
    }
}
