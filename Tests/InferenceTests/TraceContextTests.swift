import Testing

@testable import Inference

/// The headers of W3C Trace Context, as callers write them rightly and wrongly. The cases are those of the
/// specification's own tests, where they are about reading.
@Suite struct TraceContextTests {
    static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    static let span = "00f067aa0ba902b7"
    static let parent = "00-\(trace)-\(span)-01"

    static func read(_ parents: [String], _ states: [String] = []) -> TraceContext? {
        TraceContext(parents: parents, states: states)
    }

    @Test(arguments: [
        (parent, true), ("00-\(trace)-\(span)-00", false), ("00-\(trace)-\(span)-03", true),
        ("00-\(trace)-\(span)-02", false), ("00-\(trace)-\(span)-ff", true),
        // Of versions to come, the part that is known counts.
        ("01-\(trace)-\(span)-01", true), ("cc-\(trace)-\(span)-01-what-the-future-will-be-like", true),
        ("fe-\(trace)-\(span)-00-", false),
    ]) func `a parent is read`(header: String, isSampled: Bool) throws {
        let context = try #require(Self.read([header]))

        #expect(context.traceID.description == Self.trace)
        #expect(context.spanID.description == Self.span)
        #expect(context.isSampled == isSampled)
        #expect(context.parent == "00-\(Self.trace)-\(Self.span)-0\(isSampled ? 1 : 0)")
    }

    @Test(arguments: [
        "", "0", parent + "-", parent + "-01", String(parent.dropLast()), parent + "0",
        "ff-\(trace)-\(span)-01", "0-\(trace)-\(span)-01", "000-\(trace)-\(span)-01", ".0-\(trace)-\(span)-01",
        "0x-\(trace)-\(span)-01", "cc-\(trace)-\(span)-01.what", "cc-\(trace)-\(span)-01what",
        "00-00000000000000000000000000000000-\(span)-01", "00-\(trace)-0000000000000000-01",
        "00-\(trace.uppercased())-\(span)-01", "00-\(trace)-\(span.uppercased())-01", "00-\(trace)-\(span)-0A",
        "00-.\(trace.dropFirst())-\(span)-01", "00-\(trace)-.\(span.dropFirst())-01", "00-\(trace)-\(span)-.1",
        "00-\(trace.dropLast())-\(span)-01", "00-\(trace)0-\(span)-01", "00-\(trace)-\(span)0-01",
        "00-\(trace)-\(span)-1", "00-\(trace)-\(span)-001", "00_\(trace)_\(span)_01", " " + parent,
        "00-\(trace)-\(span)-0é",
    ]) func `a broken parent is none`(header: String) {
        #expect(Self.read([header]) == nil)
    }

    @Test func `one parent counts, several are none`() {
        #expect(Self.read([]) == nil)
        #expect(Self.read([Self.parent, Self.parent]) == nil)
    }

    static let long = String(repeating: "v", count: 256)
    static let many = (0..<32).map { "bar\($0)=\($0)" }

    @Test(arguments: [
        ([], ""), (["foo=1,bar=2"], "foo=1,bar=2"), (["foo=1", "bar=2"], "foo=1,bar=2"),
        (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"), (["foo=1,", ",,bar=2", ""], "foo=1,bar=2"),
        (["foo@tenant=1", "0a-_*/b=x y!"], "foo@tenant=1,0a-_*/b=x y!"),
        ([many.joined(separator: ",")], many.joined(separator: ",")),
    ]) func `a state is handed on`(headers: [String], state: String) {
        #expect(Self.read([Self.parent], headers)?.state == state)
    }

    @Test(arguments: [
        ["foo"], ["=1"], ["foo="], ["foo=1=2"], ["Foo=1"], ["foo =1"], ["foo.bar=1"], ["é=1"], ["foo=é"],
        ["foo=\u{1}"], ["foo=1,foo=2"], ["foo=1", "foo=1"], ["-foo=1"], ["foo=1,bar"],
        [String(repeating: "k", count: 257) + "=1"], ["k=" + long + "v"], [(many + ["more=1"]).joined(separator: ",")],
    ]) func `a broken state is dropped, and the trace goes on`(headers: [String]) {
        #expect(Self.read([Self.parent], headers)?.state == "")
        #expect(Self.read([Self.parent], headers)?.traceID.description == Self.trace)
    }

    @Test func `a long state is cut between entries`() throws {
        let state = try #require(Self.read([Self.parent], ["a=\(Self.long)", "b=\(Self.long)", "c=1"])).state

        #expect(state == "a=\(Self.long)")
        #expect(Self.read([Self.parent], ["a=\(Self.long)", "b=" + Self.long.dropLast(5)])?.state.utf8.count == 512)
    }

    @Test func `names have all their digits, and 0 is none`() {
        #expect(TraceID(high: 0, low: 0) == nil)
        #expect(TraceID(high: 0, low: 10)?.description == String(repeating: "0", count: 31) + "a")
        #expect(SpanID(0) == nil)
        #expect(SpanID(.max)?.description == String(repeating: "f", count: 16))
    }
}
