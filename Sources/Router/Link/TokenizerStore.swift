import Inference
import NIOCore
import NIOPosix
import Text

/// Tokenizers of workers, so that what several of them have is fetched and built once, whoever asks. Confined to one event
/// loop.
package final class TokenizerStore {
    /// What workers with one tokenizer and one chat template have in common.
    struct Key: Hashable {
        var numericsID: String
        /// nil of workers that do not say: those of one numerics id are taken to have the same.
        var digest: UInt64?

        init(_ description: WorkerDescription) {
            numericsID = description.numericsID
            digest = description.tokenizerDigest
        }
    }

    private enum Entry {
        /// Listed models, linked workers and open requests hold it; once none does, it is to be fetched again.
        case ready(Weak<Tokenizer>)
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

    private var entries: [Key: Entry] = [:]

    package init() {}

    /// - Parameter retry: called later, on the event loop, if the answer is `wait`.
    func find(_ key: Key, retry: @escaping () -> Void) -> Answer {
        switch entries[key] {
        case .ready(let held):
            if let tokenizer = held.object { return .ready(tokenizer) }
        case .fetching(let waiting):
            entries[key] = .fetching(waiting: waiting + [retry])
            return .wait
        case nil: break
        }
        entries[key] = .fetching(waiting: [])
        return .fetch
    }

    func fetched(_ key: Key, _ tokenizer: Tokenizer) { settle(key, .ready(Weak(tokenizer))) }

    /// The next who waits will fetch.
    func failed(_ key: Key) { settle(key, nil) }

    private func settle(_ key: Key, _ entry: Entry?) {
        guard case .fetching(let waiting) = entries[key] else { return }
        entries = entries.filter { if case .ready(let held) = $0.value { held.object != nil } else { true } }
        entries[key] = entry
        for retry in waiting { retry() }
    }

    /// Builds a tokenizer off the event loop: for a large vocabulary it takes a good part of a second.
    static func build(_ spec: TokenizerSpec, on eventLoop: any EventLoop) -> EventLoopFuture<Tokenizer> {
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { try Tokenizer(spec) }
    }
}
