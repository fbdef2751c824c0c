import Scheduling
package import Text

/// A model whose workers may all be away when the router starts.
package struct ExpectedModel: Sendable {
    package let name: String
    package let tokenizer: Tokenizer
    package let contextLength: Int

    package init(name: String, tokenizer: Tokenizer, contextLength: Int) {
        self.name = name
        self.tokenizer = tokenizer
        self.contextLength = contextLength
    }
}

extension Router {
    /// Lists models, and calls itself ready: their requests wait for the first worker. Once it is here, what it announces
    /// counts.
    package func expect(_ models: [ExpectedModel]) {
        for model in models where catalogue[model.name] == nil {
            catalogue.list(model, created: surroundings.unixSeconds(), logger: logger)
            scheduler.modelExpected(model.name)
            expectedModels.insert(model.name)
        }
    }
}
