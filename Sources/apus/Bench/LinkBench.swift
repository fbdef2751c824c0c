import Foundation
import HTTP
import Inference
import NIOCore
import NIOPosix
import Router
import Text

/// Asks one worker directly, over a router's own link, for one token at a time: what an answer takes that no router
/// stands in front of.
///
/// Confined to one event loop. Prompts are seeded random tokens, so that no prefix is cached.
final class LinkBench: WorkerLinkDelegate {
    struct Plan: Sendable {
        var worker: WorkerAddress
        var turns: Int
        var promptLength: Int
        var tls: TLSOptions?
    }

    private let plan: Plan
    private let link: GRPCWorkerLink
    private let done: EventLoopPromise<String>
    private var vocabularySize: UInt64 = 1
    private var sentAt: NIODeadline = .now()
    private var nanoseconds: [Int64] = []
    private var sentCount: UInt64 = 0
    private var tokens = SeededTokens(state: 1)
    private var isDone = false

    private init(_ plan: Plan, eventLoop: any EventLoop, done: EventLoopPromise<String>) throws {
        self.plan = plan
        self.done = done
        link = GRPCWorkerLink(
            .init(
                host: plan.worker.host, port: plan.worker.port,
                router: "bench-\(ProcessInfo.processInfo.processIdentifier)",
                epoch: Program.epoch(),
                tls: try plan.tls.map { try TLSContextBox.client($0) }),
            eventLoop: eventLoop, tokenizers: TokenizerStore(), chance: { 0.5 })
    }

    /// - Returns: one line of JSON.
    static func run(_ plan: Plan) async throws -> String {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let done = eventLoop.makePromise(of: String.self)
        let bench = try await eventLoop.submit {
            let bench = try LinkBench(plan, eventLoop: eventLoop, done: done)
            bench.link.delegate = bench
            bench.link.open()
            return NIOLoopBound(bench, eventLoop: eventLoop)
        }.get()
        let line = try await done.futureResult.get()
        eventLoop.execute { bench.value.link.close() }
        return line
    }

    // MARK: - What the worker says

    func linkWelcomed(_ link: any WorkerLink, _ description: WorkerDescription, _ tokenizer: Tokenizer) {
        let room = min(description.contextLength - 1, description.wholePageCount * description.pageTokenCount - 1)
        guard description.pooledOutput == nil, plan.promptLength <= room else {
            return fail("\(link.address) does not generate, or has no room for \(plan.promptLength) tokens.")
        }
        vocabularySize = UInt64(max(1, description.vocabularySize))
        next()
    }

    func linkReceived(_ link: any WorkerLink, _ event: WorkerEvent) {
        switch event {
        case .step(let report):
            for entry in report.entries where entry.sequence.rawValue == sentCount {
                switch entry.finish {
                case .failed(let why), .unservable(let why): return fail(why)
                case nil, .stop, .length: break
                }
                if entry.finish != nil { answered() }
            }
        case .refused, .preempted, .draining: fail("\(link.address) takes nothing more: others ask it, too.")
        case .welcome, .credit, .prefix, .working, .taken: break
        }
    }

    func linkLost(_ link: any WorkerLink, _ reason: String, silentSeconds: Double) { fail(reason) }
    func linkNotOpened(_ link: any WorkerLink, _ reason: String) { fail(reason) }

    // MARK: - What is asked

    private func next() {
        sentCount += 1
        var sampling = SamplingParameters()
        sampling.temperature = 0
        sampling.maxTokens = 1
        let prompt = (0..<plan.promptLength).map { _ in TokenID(clamping: tokens.next(below: vocabularySize)) }
        let sequence = AdmittedSequence(
            id: SequenceID(sentCount), tokens: prompt, promptTokenCount: prompt.count, sampling: sampling)
        sentAt = .now()
        link.send(.admit(sequence))
    }

    private func answered() {
        nanoseconds.append((NIODeadline.now() - sentAt).nanoseconds)
        if nanoseconds.count < plan.turns { return next() }
        end(.success(line))
    }

    private func fail(_ reason: String) { end(.failure(Sentence(description: reason))) }

    private func end(_ result: Result<String, any Error>) {
        guard !isDone else { return }
        isDone = true
        done.completeWith(result)
    }

    private var line: String {
        """
        {"target":"\(link.address)","requests":\(nanoseconds.count),"prompt_tokens":\(plan.promptLength),\
        "answer_ms":\(LoadSummary.percentiles(nanoseconds))}
        """
    }
}
