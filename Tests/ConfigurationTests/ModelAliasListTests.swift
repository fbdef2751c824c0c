import Testing

@testable import Configuration

@Suite struct ModelAliasListTests {
    @Test func `a name stands for a model, or for several by weight`() throws {
        let entries = try ModelAliasList.read(["chat=qwen", "c=a/b:9", "c=qwen:7b:1", "d=x=y:2"])
        #expect(
            entries == [
                .init(name: "chat", model: "qwen", weight: 1), .init(name: "c", model: "a/b", weight: 9),
                .init(name: "c", model: "qwen:7b", weight: 1), .init(name: "d", model: "x=y", weight: 2),
            ])
        #expect(try ModelAliasList.read(["c=qwen:7b"]) == [.init(name: "c", model: "qwen:7b", weight: 1)])
        #expect(try ModelAliasList.read([]) == [])
    }

    @Test(arguments: [
        ["chat"], ["=m"], ["chat="], ["chat=:3"], ["chat=m:0"], ["chat=m:1000001"], ["chat=m:99999999999999999999"],
        [String(repeating: "n", count: 97) + "=m"], ["a=b", "a=b:2"],
    ])
    func `anything else is refused by name`(items: [String]) {
        let error = #expect(throws: ConfigurationError.self) { try ModelAliasList.read(items) }
        #expect(error?.description.hasPrefix("model-alias must be ") == true)
    }
}

@Suite struct ModelShadowListTests {
    @Test func `a model has shadows, each with a share of its requests`() throws {
        let entries = try ModelShadowList.read(["a=b", "a=c:10", "qwen:7b=d:7b:1"])
        #expect(
            entries == [
                .init(model: "a", shadow: "b", percent: 100), .init(model: "a", shadow: "c", percent: 10),
                .init(model: "qwen:7b", shadow: "d:7b", percent: 1),
            ])
        #expect(try ModelShadowList.read([]) == [])
    }

    @Test(arguments: [["a"], ["=b"], ["a="], ["a=b:0"], ["a=b:101"], ["a=a"], ["a=b", "a=b:2"]])
    func `anything else is refused by name`(items: [String]) {
        let error = #expect(throws: ConfigurationError.self) { try ModelShadowList.read(items) }
        #expect(error?.description.hasPrefix("model-shadow must be ") == true)
    }
}
