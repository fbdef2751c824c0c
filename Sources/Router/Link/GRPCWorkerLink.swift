package import HTTP
package import Inference
package import NIOCore

/// A link over HTTP/2 with gRPC's framing. Confined to one event loop.
///
/// Each loss is followed by a new dial after a pause that grows; each dial has an epoch of its own, so that a worker that
/// has not noticed the loss ends the old link, and its sequences, when the new one says hello.
package final class GRPCWorkerLink: WorkerLink {
    package struct Options {
        package var host: String
        package var port: Int
        /// This router's name; the worker knows the link by this and its address.
        package var router: String
        /// Epoch of the first dial; the next ones count up. Larger than any epoch of an earlier process of that name:
        /// nanoseconds since 1970 will do.
        package var epoch: UInt64
        package var tls: TLSContextBox?
        /// How often a connection is looked at. Silent for three looks in a row, it is pinged; for eleven, it is lost: a
        /// worker that stops, or whose network does, is missed after 0.6 s at most, and one that is merely busy has 0.4 s
        /// to answer, as its loop need not wait for a step.
        package var lookInterval = TimeAmount.milliseconds(50)
        package var looksBeforePing = 3
        package var looksBeforeLoss = 11
        /// From the dial to the welcome.
        package var welcomeTimeout = TimeAmount.seconds(5)

        package init(host: String, port: Int, router: String, epoch: UInt64, tls: TLSContextBox? = nil) {
            self.host = host
            self.port = port
            self.router = router
            self.epoch = epoch
            self.tls = tls
        }
    }

    package let address: String
    package weak var delegate: (any WorkerLinkDelegate)?

    private let options: Options
    private let eventLoop: any EventLoop
    let tokenizers: TokenizerStore
    private let chance: () -> Double
    private var call: LinkCall?
    private var redial: Scheduled<Void>?
    private var backoff = DialBackoff()
    private var dialCount: UInt64 = 0
    private var isClosed = false

    /// - Parameters:
    ///   - eventLoop: the caller's.
    ///   - tokenizers: shared by all links of the router.
    ///   - chance: uniform in [0, 1), for the jitter of redials.
    package init(
        _ options: Options, eventLoop: any EventLoop, tokenizers: TokenizerStore,
        chance: @escaping () -> Double
    ) {
        self.options = options
        self.eventLoop = eventLoop
        self.tokenizers = tokenizers
        self.chance = chance
        address = "\(options.host):\(options.port)"
    }

    package func open() {
        guard call == nil, redial == nil, !isClosed else { return }
        dial()
    }

    private func dial() {
        let epoch = options.epoch &+ dialCount
        dialCount += 1
        redial = nil
        let call = LinkCall(options: options, eventLoop: eventLoop, tokenizers: tokenizers) { [weak self] call, news in
            // What an older call still has to say is of no interest.
            if let self, call === self.call { self.heard(news) }
        }
        self.call = call
        call.dial(epoch: epoch)
    }

    private func heard(_ news: LinkCall.News) {
        switch news {
        case .welcomed(let description, let tokenizer):
            backoff.succeeded()
            delegate?.linkWelcomed(self, description, tokenizer)
        case .received(let event): delegate?.linkReceived(self, event)
        case .ended(let reason, let wasLinked, let silentSeconds):
            call = nil
            let pause = backoff.failed(chance: chance())
            redial = eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(pause * 1e9))) { [weak self] in
                self?.dial()
            }
            if wasLinked {
                delegate?.linkLost(self, reason, silentSeconds: silentSeconds)
            } else {
                delegate?.linkNotOpened(self, reason)
            }
        }
    }

    @discardableResult package func send(_ command: WorkerCommand) -> UInt64 { call?.send(command) ?? 0 }

    package func giveUp(_ reason: String) { call?.end(reason) }

    package func close() {
        isClosed = true
        redial?.cancel()
        redial = nil
        let last = call
        call = nil
        last?.end("This router closed the link.")
    }
}
