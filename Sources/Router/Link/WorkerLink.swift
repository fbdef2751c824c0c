package import Inference
package import Text

/// A router's connection to one worker, for as long as the router wants that worker. Confined to one event loop.
///
///     dialling ─▶ linked ─▶ lost ─▶ dialling …        until close()
///
/// Two implementations: HTTP/2, and a scripted one in tests of the router.
package protocol WorkerLink: AnyObject {
    /// Where the worker is, for logs and lists: "10.0.0.7:8101".
    var address: String { get }
    /// Held weakly. Set it before `open`.
    var delegate: (any WorkerLinkDelegate)? { get set }

    /// Begins to dial, and dials again whenever the link is lost.
    func open()

    /// Sends a command after all that were sent before.
    /// - Returns: its running number, 1 for the first after a welcome, to be compared with `StepReport.commandsSeen`.
    ///   0 while not linked: the command is not sent.
    @discardableResult func send(_ command: WorkerCommand) -> UInt64

    /// Gives the link up and dials again at once: the worker makes no progress. `linkLost` follows with this reason.
    func giveUp(_ reason: String)

    /// Ends the link for good. Nothing is said to the delegate any more.
    func close()
}

/// Hears of a link, on its event loop and never from inside a call to it.
package protocol WorkerLinkDelegate: AnyObject {
    /// A worker answered: the first there, or the same or another process after a loss. Its share, and commands, count
    /// from here. The tokenizer is one object for all workers that have the same.
    func linkWelcomed(_ link: any WorkerLink, _ description: WorkerDescription, _ tokenizer: Tokenizer)
    /// Anything but a welcome, in order.
    func linkReceived(_ link: any WorkerLink, _ event: WorkerEvent)
    /// After a welcome: the worker has forgotten all sequences of this link, or soon will. The reason is a sentence;
    /// `silentSeconds` is for how long nothing had come from it.
    func linkLost(_ link: any WorkerLink, _ reason: String, silentSeconds: Double)
    /// A dial came to nothing, or the worker refused the link; another follows. The reason is a sentence.
    func linkNotOpened(_ link: any WorkerLink, _ reason: String)
}
