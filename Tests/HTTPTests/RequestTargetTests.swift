import Testing

@testable import HTTP

@Suite struct RequestTargetTests {
    @Test(arguments: [
        ("/", "/", nil), ("/v1/models", "/v1/models", nil), ("/a/", "/a/", nil), ("/a?b=/../c", "/a", "b=/../c"),
        ("/a%20b", "/a%20b", nil), ("/v2/models/x-1.0_b", "/v2/models/x-1.0_b", nil), ("/...", "/...", nil),
        ("/a..b", "/a..b", nil), ("/?", "/", ""),
    ])
    func `a plain path is taken as it is`(text: String, path: String, query: String?) {
        let target = RequestTarget(text.utf8)

        #expect(target?.path == path)
        #expect(target?.query == query)
    }

    @Test(arguments: [
        "", "a", "*", "http://host/a", "/..", "/../a", "/a/../b", "/a/..", "/./a", "/a/.", "//", "/a//b", "/a\\b",
        "/a;b", "/a%2fb", "/a%2Fb", "/a%5cb", "/%2e%2e/a", "/%2E/a", "/a%00", "/a%0d%0a", "/a%", "/a%2", "/a%zz",
        "/a%7f", "/a%3bb", "/a#b", "/a?b#c", "/a b", "/a\u{e9}", "/a\t", "/a\u{0}",
    ])
    func `what could be read in two ways is refused`(text: String) {
        #expect(RequestTarget(text.utf8) == nil)
    }

    @Test(arguments: [
        ("http://host/a", "/a", nil), ("HTTP://h:80/a/b?c", "/a/b", "c"), ("https://[::1]:8080", "/", nil),
        ("/a?http://h/b", "/a", "http://h/b"),
    ])
    func `a proxy's client names the host as well`(text: String, path: String, query: String?) {
        let target = RequestTarget(pathOf: Array(text.utf8)[...], encodedSlashesBelow: [])

        #expect(target?.path == path)
        #expect(target?.query == query)
    }

    @Test(arguments: [
        "", "a", "*", "h:443", "http:", "http:/h/a", "http://", "http:///a", "ftp://h/a", "http://u@h/a", "http://h?a",
        "http://h/../a", "http://h//a", "http://h/http://h/a", "://h/a",
    ])
    func `what names a host in no plain way is refused`(text: String) {
        #expect(RequestTarget(pathOf: Array(text.utf8)[...], encodedSlashesBelow: []) == nil)
    }

    @Test func `names with slashes may be encoded where names stand, and nowhere else`() {
        func path(_ text: String) -> String? { RequestTarget(text.utf8, encodedSlashesBelow: ["/models/"])?.path }

        #expect(path("/models/a%2Fb") == "/models/a%2Fb")
        for other in ["/model/a%2Fb", "/models%2Fa", "/models/%2e%2e%2Fa", "/models/a%5Cb", "/models/../a%2Fb"] {
            #expect(path(other) == nil, "\(other)")
        }
    }
}
