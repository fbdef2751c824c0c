import HTTP
import NIOCore

/// Asks `/livez` of one worker of this machine once a second, until it hangs or the probe is stopped. Confined to its
/// event loop.
final class LivenessProbe {
    private let port: Int
    private let eventLoop: any EventLoop
    private var whenHung: ((_ why: String) -> Void)?
    private var watch = HangWatch()
    private var timer: RepeatedTask?
    private var connection: HTTP1ClientConnection?
    /// What came since the last second; nil while an answer is waited for.
    private var heard: HangWatch.Answer?
    private var isWaiting = false

    /// - Parameter whenHung: called at most once, with the reason; the probe is over then.
    init(port: Int, eventLoop: any EventLoop, whenHung: @escaping (_ why: String) -> Void) {
        self.port = port
        self.eventLoop = eventLoop
        self.whenHung = whenHung
        let probe = NIOLoopBound(Weak(self), eventLoop: eventLoop)
        // Seconds of this process's own: while it is starved itself, it counts none against others.
        timer = eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .seconds(1)) { _ in
            probe.value.object?.secondPassed()
        }
    }

    deinit { timer?.cancel() }

    func stop() {
        timer?.cancel()
        timer = nil
        whenHung = nil
        connection?.close()
        connection = nil
    }

    private func secondPassed() {
        if let answer = heard.take() ?? (isWaiting ? HangWatch.Answer.silence : nil), let why = watch.heard(answer) {
            let whenHung = whenHung
            stop()
            whenHung?(why)
            return
        }
        guard !isWaiting else { return }
        isWaiting = true
        if let connection, connection.isUsable { ask(connection) } else { connect() }
    }

    private func connect() {
        let probe = NIOLoopBound(Weak(self), eventLoop: eventLoop)
        HTTP1ClientConnection.connect(host: "127.0.0.1", port: port, eventLoop: eventLoop).assumeIsolated()
            .whenComplete { result in
                switch result {
                case .success(let connection):
                    guard let probe = probe.value.object, probe.timer != nil else { return connection.close() }
                    probe.connection = connection
                    probe.ask(connection)
                case .failure: probe.value.object?.answered(.silence)
                }
            }
    }

    private func ask(_ connection: HTTP1ClientConnection) {
        let head = HTTPRequestHead(method: "GET", path: "/livez", query: nil, headers: [], majorVersion: 1)
        let stream = connection.openStream(head, hasBody: false)
        var answer = HangWatch.Answer.silence
        stream.onHead = { status, _ in answer = status == 200 ? .alive : status == 503 ? .hung : .silence }
        stream.onClosed = { [weak self] _ in self?.answered(answer) }
    }

    private func answered(_ answer: HangWatch.Answer) {
        isWaiting = false
        heard = answer
    }
}
