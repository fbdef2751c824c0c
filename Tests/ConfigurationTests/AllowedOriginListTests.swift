import Testing

@testable import Configuration

@Suite struct AllowedOriginListTests {
    @Test func `origins are taken as browsers write them`() throws {
        let origins = [
            "https://chat.example.org", "http://localhost:3000", "http://[::1]:8080", "app://-",
            "chrome-extension://abc",
        ]
        #expect(try AllowedOriginList.read(origins) == origins)
        #expect(try AllowedOriginList.read(["*"]) == ["*"])
        #expect(try AllowedOriginList.read([]) == [])
    }

    @Test(arguments: [
        "chat.example.org", "https://", "://a", "https://a/", "https://a/b", "https://A", "https://*.a", "https://a b",
        "null", "https://u@a",
    ])
    func `what no browser says is refused by name`(item: String) {
        let error = #expect(throws: ConfigurationError.self) { try AllowedOriginList.read(["*", item]) }
        #expect(error?.description.hasPrefix("allowed-origins must be ") == true)
        #expect(error?.description.contains(item) == true)
    }
}
