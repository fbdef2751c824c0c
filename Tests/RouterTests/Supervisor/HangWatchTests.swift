import Testing

@testable import Router

@Suite struct HangWatchTests {
    /// Runs of answers, a letter each: a(live), h(ung), s(ilence); the place of the one that was too many.
    static let stories: [(String, Int?)] = [
        ("hhh", 2), ("hhahhahh", nil), ("hhshssh", 3), (String(repeating: "s", count: 29) + "a", nil),
        (String(repeating: "s", count: 30), 29), (String(repeating: "s", count: 29) + "h" + "s", nil),
        ("ssshha" + String(repeating: "s", count: 29), nil),
    ]

    @Test(arguments: stories) func `three words that it hangs, or half a minute of silence, end a worker`(
        story: String, end: Int?
    ) {
        var watch = HangWatch()
        let ends = story.enumerated().compactMap { place, letter in
            watch.heard(letter == "a" ? .alive : letter == "h" ? .hung : .silence).map { _ in place }
        }

        #expect(ends.first == end)
    }
}
