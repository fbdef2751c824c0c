import HTTP
import Inference
import NIOCore
import WorkerProtocol

/// One router's `Link` stream. Confined to the worker's event loop.
///
///     waiting for hello ─▶ linked ─▶ ended
final class LinkSession {
    private enum State {
        case waiting
        case linked(number: Int, version: UInt32)
        case ended
    }

    private var state = State.waiting
    private let table: LinkTable
    private let write: (ByteBuffer) -> Void
    private let finish: (GRPCStatus) -> Void
    private var helloTimer: Scheduled<Void>?
    /// Commands that came, counted from the hello on.
    private var commandCount: UInt64 = 0

    /// - Parameters:
    ///   - write: sends one message.
    ///   - finish: ends the stream; called at most once, and not after `lost`.
    init(
        table: LinkTable, write: @escaping (ByteBuffer) -> Void, finish: @escaping (GRPCStatus) -> Void
    ) {
        self.table = table
        self.write = write
        self.finish = finish
        helloTimer = table.eventLoop.assumeIsolated().scheduleTask(in: .seconds(WorkerOptions.helloSeconds)) {
            [weak self] in
            self?.end(GRPCStatus(.deadlineExceeded, "No hello came within \(WorkerOptions.helloSeconds) seconds."))
        }
    }

    /// A message of the router came.
    func received(_ message: ByteBuffer) {
        do throws(WireError) {
            switch (state, try RouterMessage(bytes: message.readableBytesSpan)) {
            case (.waiting, .hello(let hello)): greet(hello)
            case (.linked(let number, _), .command(let command)):
                commandCount &+= 1
                if case .admit(let sequence) = command, sequence.resumes { send(.taken(commands: commandCount)) }
                guard table.post(command, from: number) else {
                    return end(GRPCStatus(.resourceExhausted, "Too many commands wait for the engine."))
                }
            case (.waiting, .command):
                end(GRPCStatus(.failedPrecondition, "The first message of a link must be a hello."))
            case (.linked, .hello):
                end(GRPCStatus(.failedPrecondition, "A link has one hello, and this is the second."))
            case (.ended, _): break
            }
        } catch {
            end(GRPCStatus(.invalidArgument, error.description))
        }
    }

    private func greet(_ hello: RouterHello) {
        helloTimer?.cancel()
        helloTimer = nil
        do throws(LinkRefusal) {
            let (number, version) = try table.link(self, hello)
            state = .linked(number: number, version: version)
        } catch {
            end(error.status)
        }
    }

    func send(_ event: WorkerEvent) {
        guard case .linked(_, let version) = state else { return }
        write(ByteBuffer(bytes: WorkerMessage.bytes(event, version: version)))
    }

    /// The router finished its side, or is gone: its sequences with it.
    func lost() { leave() }

    /// Ends the link from this side.
    func end(_ status: GRPCStatus) {
        if leave() { finish(status) }
    }

    /// - Returns: false when it had ended before.
    @discardableResult private func leave() -> Bool {
        let before = state
        state = .ended
        helloTimer?.cancel()
        helloTimer = nil
        switch before {
        case .ended: return false
        case .waiting: return true
        case .linked(let number, _):
            table.unlink(number)
            return true
        }
    }
}
