import NIOCore
import NIOPosix
import Text

/// Tokenizers by numerics id, so that a model's is fetched and built once, whoever asks. Confined to one event loop.
package final class TokenizerStore {
    private enum Entry {
        case ready(Tokenizer)
        /// One link fetches; the others wait to hear that it is there, or that it is theirs to fetch.
        case fetching(waiting: [() -> Void])
    }

    enum Answer {
        case ready(Tokenizer)
        /// The caller must fetch, then call ``fetched(_:_:)`` or ``failed(_:)``.
        case fetch
        /// Ask again when called.
        case wait
    }

    private var entries: [String: Entry] = [:]

    package init() {}

    /// - Parameter retry: called later, on the event loop, if the answer is `wait`.
    func find(_ numericsID: String, retry: @escaping () -> Void) -> Answer {
        switch entries[numericsID] {
        case .ready(let tokenizer): return .ready(tokenizer)
        case .fetching(let waiting):
            entries[numericsID] = .fetching(waiting: waiting + [retry])
            return .wait
        case nil:
            entries[numericsID] = .fetching(waiting: [])
            return .fetch
        }
    }

    func fetched(_ numericsID: String, _ tokenizer: Tokenizer) { settle(numericsID, .ready(tokenizer)) }

    /// The next who waits will fetch.
    func failed(_ numericsID: String) { settle(numericsID, nil) }

    private func settle(_ numericsID: String, _ entry: Entry?) {
        guard case .fetching(let waiting) = entries[numericsID] else { return }
        entries[numericsID] = entry
        for retry in waiting { retry() }
    }

    /// Builds a tokenizer off the event loop: for a large vocabulary it takes a good part of a second.
    static func build(_ spec: TokenizerSpec, on eventLoop: any EventLoop) -> EventLoopFuture<Tokenizer> {
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { try Tokenizer(spec) }
    }
}
