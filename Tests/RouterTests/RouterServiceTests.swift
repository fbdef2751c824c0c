import Foundation
import Inference
import NIOEmbedded
import Scheduling
import Serving
import Telemetry
import Testing
import Text

@testable import Router

@Suite struct RouterServiceTests {
    static func text(_ request: GenerationRequest) throws -> String {
        try RouterBench.undisturbed(request).choices[0]?.text ?? ""
    }

    /// Words as the oracle makes them with no stop: the material for stop strings.
    static let plain = GenerationRequest.sample(max: 60, seed: 21)

    @Test func `a stop string ends the choice, is cut, and its sequence is cancelled in the worker`() throws {
        let whole = try Self.text(Self.plain)
        let middle = whole.index(whole.startIndex, offsetBy: whole.count / 2)
        let stop = String(whole[middle...].prefix(4))
        var request = Self.plain
        request.stopStrings = [stop]
        let cut = try #require(whole.range(of: stop))

        let bench = RouterBench(workers: 1)
        let receiver = try bench.submit(request)
        bench.run { receiver.isOver }
        bench.step()

        #expect(receiver.choices[0]?.text == String(whole[..<cut.lowerBound]))
        #expect(receiver.choices[0]?.finish == .stop(stop))
        #expect(bench.links[0].cancels == 1)
        #expect(bench.links[0].runningCount == 0)

        request.includesStopString = true
        #expect(try Self.text(request) == String(whole[..<cut.upperBound]))
    }

    @Test func `min tokens keeps stop strings from acting on the first tokens`() throws {
        let whole = try RouterBench.undisturbed(Self.plain)
        let word = Oracle.tokenizer.decode([try #require(whole.choices[0]?.tokens.first)], skipsSpecialTokens: true)
        var request = Self.plain
        request.stopStrings = [word]
        #expect(try RouterBench.undisturbed(request).usage?.completionTokens == 1)

        request.sampling.minTokens = 60
        let receiver = try RouterBench.undisturbed(request)

        #expect(receiver.choices[0]?.text == whole.choices[0]?.text)
        #expect(receiver.choices[0]?.finish == .length)
    }

    @Test func `a stop token ends the choice, counts, and is no text`() throws {
        let whole = try RouterBench.undisturbed(Self.plain)
        let tokens = try #require(whole.choices[0]?.tokens)
        let stop = try #require(tokens.dropFirst(5).first { $0 >= 259 })
        let count = try #require(tokens.firstIndex(of: stop))
        var request = Self.plain
        request.sampling.stopTokens = [stop]

        let receiver = try RouterBench.undisturbed(request)

        #expect(receiver.choices[0]?.finish == .stop(nil))
        #expect(receiver.choices[0]?.tokens == Array(tokens[..<count]))
        #expect(receiver.usage?.completionTokens == count + 1)
    }

    @Test func `log-probabilities come one for each token, with its bytes`() throws {
        let receiver = try RouterBench.undisturbed(.sample(max: 30, seed: 8, logprobs: 2))
        let choice = try #require(receiver.choices[0])

        #expect(choice.logprobs.count == 30)
        for (place, logged) in choice.logprobs.enumerated() {
            let expected = Oracle.logprobs(choice.tokens[place], position: 3 + place, top: 2)
            #expect(logged.chosen.token == choice.tokens[place])
            #expect(logged.chosen.logprob == expected.logprob)
            #expect(logged.chosen.bytes == Oracle.tokenizer.bytes(of: logged.chosen.token))
            #expect(logged.top.map(\.token) == expected.top.map(\.token))
        }
    }

    @Test func `prompt log-probabilities come whole, before the text, also without any output`() throws {
        var request = GenerationRequest.sample(Array(3..<90), max: 0)
        request.sampling.promptLogprobs = 1
        let receiver = try RouterBench.undisturbed(request)

        #expect(receiver.choices[0]?.promptLogprobs?.map(\.chosen.token) == Array(4..<90))
        #expect(receiver.usage == Usage(promptTokens: 87, completionTokens: 0, cachedTokens: 0))
        #expect(receiver.choices[0]?.finish == .length)
    }

    @Test func `usage counts each prompt once, and what the first admission found cached`() throws {
        let bench = RouterBench(workers: 1, slots: 16)
        bench.links[0].cachedTokens = 2
        var request = GenerationRequest.sample([5, 6, 7], max: 4, choices: 3)
        request.prompts.append([8, 9, 10, 11])
        let receiver = try bench.submit(request)
        bench.run { receiver.isOver }

        #expect(receiver.usage == Usage(promptTokens: 7, completionTokens: 24, cachedTokens: 4))
        #expect(receiver.choices.count == 6)
    }

    @Test func `events come later than submit, and admission before text`() throws {
        let bench = RouterBench(workers: 1)
        let receiver = try bench.submit(.sample())
        #expect(receiver.eventCount == 0)
        bench.loop.run()
        #expect(receiver.isAdmitted)
        #expect(receiver.choices.isEmpty)
    }

    @Test func `a cancelled request is heard of no more, running or waiting, and frees what it had`() throws {
        let bench = RouterBench(workers: 1, slots: 1)
        let (first, second, third) = (RecordingReceiver(), RecordingReceiver(), RecordingReceiver())
        let running = try bench.router.submit(.sample(max: 400), receiver: first)
        let waiting = try bench.router.submit(.sample(max: 400), receiver: second)
        _ = try bench.router.submit(.sample(max: 4), receiver: third)
        for _ in 0..<5 { bench.step() }
        let heard = first.eventCount

        bench.router.cancel(waiting)
        bench.router.cancel(running)
        bench.router.cancel(running)
        bench.run { third.isOver }

        #expect(first.eventCount == heard)
        #expect(second.eventCount == 0)
        #expect(third.failure == nil)
        #expect(bench.links[0].cancels == 1)
        #expect(bench.router.openRequestCount == 0)
    }

    @Test func `copies count as no failures, and a drain does not wait for them`() throws {
        let bench = RouterBench(workers: 1, slots: 1)
        let (copied, asked, last) = (RecordingReceiver(), RecordingReceiver(), RecordingReceiver())
        var copy = GenerationRequest.sample(max: 400)
        copy.isCopy = true
        _ = try bench.router.submit(copy, receiver: copied)
        for _ in 0..<5 { bench.step() }
        #expect(copied.isAdmitted && copied.failure == nil)

        _ = try bench.router.submit(.sample(max: 4), receiver: asked)
        bench.run { asked.isOver }
        #expect(copied.failure != nil && asked.failure == nil)
        #expect(throws: ServeError.self) {
            _ = try bench.router.submit(.sample(max: 400), receiver: RecordingReceiver())
            _ = try bench.router.submit(copy, receiver: last)
        }
        let counters = ["apus_requests_failed_total", "apus_requests_rejected_total"]
        let counted = bench.metrics.render(openMetrics: false).split(separator: "\n").filter { line in
            counters.contains { line.hasPrefix($0) } && !line.hasSuffix(" 0")
        }
        #expect(counted.isEmpty, "\(counted)")

        let draining = RouterBench(workers: 1, slots: 2)
        _ = try draining.router.submit(copy, receiver: last)
        var isEmpty = false
        draining.router.drain { isEmpty = true }
        draining.run { isEmpty }
        #expect(last.failure != nil)
    }

    @Test func `receivers may cancel and submit from inside an event`() throws {
        let bench = RouterBench(workers: 1, slots: 2)
        let (first, second, third) = (RecordingReceiver(), RecordingReceiver(), RecordingReceiver())
        let other = try bench.router.submit(.sample(max: 400, seed: 2), receiver: second)
        let own = Box<RequestID?>(nil)
        first.onEvent = { event in
            guard case .delta = event, let id = own.value else { return }
            own.value = nil
            bench.router.cancel(other)
            bench.router.cancel(id)
            let before = third.eventCount
            _ = try? bench.router.submit(.sample(max: 4, seed: 3), receiver: third)
            #expect(third.eventCount == before)
        }
        own.value = try bench.router.submit(.sample(max: 400), receiver: first)
        bench.run { third.isOver }

        #expect(third.choices[0]?.tokens.count == 4)
        #expect(first.choices[0]?.tokens.count == 1)
        #expect(bench.router.openRequestCount == 0)
        #expect(bench.router.scheduler.invariantViolation() == nil)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        var name: String
        var change: @Sendable (inout GenerationRequest) -> Void
        var isExpected: @Sendable (ServeError) -> Bool
        var testDescription: String { name }
    }

    static let refusals = [
        Refusal(name: "unknown model", change: { $0.model = "x" }, isExpected: { $0 == .modelNotFound("x") }),
        Refusal(name: "no prompt", change: { $0.prompts = [] }, isExpected: Self.isInvalid),
        Refusal(name: "empty prompt", change: { $0.prompts = [[]] }, isExpected: Self.isInvalid),
        Refusal(name: "stray token", change: { $0.prompts = [[1, 90_000]] }, isExpected: Self.isInvalid),
        Refusal(name: "no choice", change: { $0.choiceCount = 0 }, isExpected: Self.isInvalid),
        Refusal(name: "too many choices", change: { $0.choiceCount = .max }, isExpected: Self.isInvalid),
        Refusal(
            name: "long prompt", change: { $0.prompts = [Array(repeating: 5, count: 512)] },
            isExpected: { $0 == .contextExceeded(promptTokens: 512, maxTokens: nil, contextLength: 512) }),
    ]

    static let isInvalid: @Sendable (ServeError) -> Bool = { error in
        if case .invalidRequest = error { true } else { false }
    }

    @Test(arguments: refusals) func `what cannot be served is refused at once`(_ refusal: Refusal) throws {
        let bench = RouterBench()
        var request = GenerationRequest.sample()
        refusal.change(&request)
        let error = #expect(throws: ServeError.self) { _ = try bench.submit(request) }
        #expect(error.map(refusal.isExpected) == true, "\(String(describing: error))")
        #expect(bench.router.openRequestCount == 0)
    }

    @Test func `a full queue says when to come again; who waits too long is told`() throws {
        var options = RouterOptions()
        options.scheduling.queueRequestsMax = 1
        options.scheduling.queueTimeoutSeconds = 2
        let bench = RouterBench(workers: 1, slots: 1, options: options)
        let running = try bench.submit(.sample(max: 400))
        let waiting = try bench.submit(.sample())

        #expect(throws: ServeError.queueFull(limit: 1, retryAfterSeconds: 10)) { _ = try bench.submit(.sample()) }
        for _ in 0..<210 {
            bench.links[0].step()
            bench.pass(0.01)
        }

        #expect(waiting.failure == .timedOut(afterSeconds: 2))
        #expect(running.failure == nil)
        #expect(bench.metrics.render().contains("apus_requests_rejected_total{reason=\"queue_full\"} 1"))
        #expect(bench.metrics.render().contains("apus_requests_failed_total{reason=\"timed_out\"} 1"))
    }

    @Test func `tenants take turns, whoever came first`() throws {
        let bench = RouterBench(workers: 1, slots: 1)
        func submit(_ tenant: String) throws -> RecordingReceiver {
            var request = GenerationRequest.sample(max: 4)
            request.tenant = tenant
            return try bench.submit(request)
        }
        let many = try (0..<6).map { _ in try submit("many") }
        let few = try (0..<2).map { _ in try submit("few") }

        bench.run { few.allSatisfy(\.isOver) }

        #expect(many.count { $0.isAdmitted } <= 4)
    }

    @Test func `what tenants ask for is counted by tenant, copies and nobody's requests are not`() throws {
        var options = RouterOptions()
        options.scheduling.queueRequestsMax = 1
        let bench = RouterBench(workers: 1, slots: 2, options: options)
        func submit(_ tenant: String, isCopy: Bool = false) throws -> RecordingReceiver {
            var request = GenerationRequest.sample(max: 4)
            request.tenant = tenant
            request.isCopy = isCopy
            return try bench.submit(request)
        }
        let asked = try [submit("a"), submit("")]
        bench.run { asked.allSatisfy(\.isOver) }
        let copy = try submit("a", isCopy: true)
        bench.run { copy.isOver }
        let running = try [submit("b"), submit("b"), submit("b")]
        #expect(throws: ServeError.self) { try submit("b") }
        bench.run { running.allSatisfy(\.isOver) }

        let text = bench.metrics.render()
        let promptCount = GenerationRequest.sample(max: 4).prompts[0].count
        let outputCount = try #require(asked[0].usage).completionTokens
        for line in [
            #"apus_tenant_requests_total{tenant="a"} 1"#, #"apus_tenant_requests_total{tenant="b"} 3"#,
            #"apus_tenant_tokens_total{tenant="a",kind="prompt"} \#(promptCount)"#,
            #"apus_tenant_tokens_total{tenant="a",kind="output"} \#(outputCount)"#,
            #"apus_tenant_queue_seconds_count{tenant="b"} 3"#,
            #"apus_tenant_refused_total{tenant="b",reason="queue_full"} 1"#,
            #"apus_tenant_refused_total{tenant="a",reason="queue_full"} 0"#,
        ] { #expect(text.contains(line + "\n"), "\(line)") }
        #expect(!text.contains(#"tenant="""#))
    }

    @Test func `a poison request is out after two workers, the others go on`() throws {
        let bench = RouterBench(workers: 3, slots: 4)
        for link in bench.links { link.prefillBudget = 8 }
        let innocent = try bench.submit(.sample(max: 200))
        for _ in 0..<4 { bench.step() }
        let home = try #require(bench.links.first { $0.runningCount > 0 })
        let poison = try bench.submit(.sample(Array(repeating: 66, count: 90), max: 20))
        bench.step()
        for _ in 0..<2 {
            let host = try #require(
                bench.links.first { link in
                    link !== home && link.isLinked && link.runningCount > 0
                })
            bench.pass(0.05)
            host.die()
            bench.step()
            // It is a suspect now, and tried alone after a moment.
            bench.pass(0.12)
            bench.step()
        }
        bench.run { innocent.isOver }

        guard case .internalFailure = poison.failure else {
            Issue.record("the poison ended as \(String(describing: poison.failure))")
            return
        }
        #expect(innocent.failure == nil)
        #expect(innocent.choices == (try RouterBench.undisturbed(.sample(max: 200))).choices)
    }

    @Test func `draining finishes what there is, refuses what comes, and says when it is done`() throws {
        let bench = RouterBench(workers: 1)
        let receiver = try bench.submit(.sample(max: 10))
        let isEmpty = Box(false)
        bench.router.drain { isEmpty.value = true }

        #expect(!bench.router.isReady)
        #expect(throws: ServeError.shuttingDown) { _ = try bench.submit(.sample()) }
        bench.step()
        #expect(!isEmpty.value)
        bench.run { isEmpty.value }

        #expect(receiver.choices[0]?.tokens.count == 10)
    }

    @Test func `stopping tells everyone and closes all links`() throws {
        let bench = RouterBench(workers: 2)
        let receiver = try bench.submit(.sample(max: 10))
        bench.step()
        bench.router.stop()
        #expect(receiver.failure == .shuttingDown)
        #expect(bench.links.allSatisfy { $0.isClosed })
    }
}

@Suite struct RouterWorkersTests {
    @Test func `a model is listed from the first welcome on, also while its workers are away`() throws {
        let bench = RouterBench(workers: 1, welcomes: false)
        #expect(bench.router.models.isEmpty && !bench.router.isReady)
        #expect(throws: ServeError.modelNotFound("m")) { _ = try bench.submit(.sample()) }

        bench.links[0].welcome()
        #expect(bench.router.models.map(\.name) == ["m"])
        #expect(bench.router.models.first?.created == 1_700_000_000)
        #expect(bench.router.isReady)

        bench.links[0].die()
        #expect(bench.router.models.map(\.name) == ["m"])
        #expect(!bench.router.isReady)
        let receiver = try bench.submit(.sample())
        bench.pass(1)
        bench.links[0].welcome()
        bench.run { receiver.isOver }
        #expect(receiver.failure == nil)
    }

    @Test func `a worker whose tokens mean something else is not used while others serve the name`() throws {
        let other = try Self.otherTokenizer()
        let bench = RouterBench(workers: 2, welcomes: false)
        bench.links[0].welcome()
        bench.links[1].welcome(other)
        for seed in 0..<8 as Range<UInt64> { _ = try bench.submit(.sample(seed: seed)) }
        for _ in 0..<200 { bench.step() }
        #expect(bench.links[1].admissions.isEmpty)

        bench.links[0].die()

        #expect(bench.router.models.first?.tokenizer === other)
        let receiver = try bench.submit(.sample())
        bench.run { receiver.isOver }
        #expect(bench.links[1].admissions.count == 1)
    }

    @Test func `requests that wait for workers of the old kind give way to the new kind after a while`() throws {
        let (bench, running) = try Self.lastOfItsKindDies(with: .sample(max: 200))

        bench.pass(9)
        #expect(!running.isOver && !bench.router.isReady)
        bench.pass(1.1)
        #expect(
            running.failure == .unavailable("Model \"m\" is served with another tokenizer now: ask again."))
        #expect(bench.router.isReady)
        let next = try bench.submit(.sample())
        bench.run { next.isOver }
        #expect(next.failure == nil && bench.links[1].admissions.count == 1)
    }

    @Test func `a worker of the old kind that comes back in time goes on with what waited for it`() throws {
        let (bench, running) = try Self.lastOfItsKindDies(with: .sample(max: 40))
        bench.pass(5)
        bench.links[0].welcome()
        bench.run { running.isOver }
        #expect(running.choices == (try RouterBench.undisturbed(.sample(max: 40))).choices)
        #expect(bench.links[1].admissions.isEmpty)
    }

    @Test func `what the first worker of an expected model announces counts, also for those who wait`() throws {
        let bench = RouterBench(workers: 1, welcomes: false)
        bench.router.expect([ExpectedModel(name: "m", tokenizer: Oracle.tokenizer, contextLength: 64)])
        let waiting = try bench.submit(.sample())
        bench.links[0].welcome(try Self.otherTokenizer())
        bench.pass(0.2)
        #expect(waiting.failure != nil)
        let next = try bench.submit(.sample())
        bench.run { next.isOver }
        #expect(next.failure == nil)
    }

    /// A worker dies of which only one with another tokenizer is left, while a request runs on it.
    private static func lastOfItsKindDies(
        with request: GenerationRequest
    ) throws -> (RouterBench, RecordingReceiver) {
        let bench = RouterBench(workers: 2, welcomes: false)
        bench.links[0].welcome()
        bench.links[1].welcome(try otherTokenizer())
        let running = try bench.submit(request)
        for _ in 0..<4 { bench.step() }
        bench.links[0].die()
        return (bench, running)
    }

    private static func otherTokenizer() throws -> Tokenizer {
        var spec = Oracle.tokenizer.spec
        spec.tokens[270] = "▁other"
        return try Tokenizer(spec)
    }

    @Test func `a process that ended is lost at once, an address that vanished when its link breaks`() throws {
        let bench = RouterBench(workers: 2)
        let receiver = try bench.submit(.sample(max: 40))
        for _ in 0..<4 { bench.step() }
        let victim = try #require(bench.links.firstIndex { $0.runningCount > 0 })

        bench.router.workerVanished(at: RouterBench.address(victim), in: bench.discovery)
        bench.step()
        #expect(!bench.links[victim].isClosed)
        bench.router.workerDied(at: RouterBench.address(victim), in: bench.discovery)
        #expect(bench.links[victim].isClosed)
        bench.run { receiver.isOver }

        #expect(receiver.choices == (try RouterBench.undisturbed(.sample(max: 40))).choices)
    }

    @Test func `a worker that is leaving gets nothing new, and its link lives until it breaks`() throws {
        let bench = RouterBench(workers: 2, slots: 1)
        let address = RouterBench.address(0)
        let requests = [GenerationRequest.sample(max: 200), .sample(max: 100, seed: 2)]
        let running = try requests.map { try bench.submit($0) }
        bench.step()
        bench.router.workerLeaving(at: address, in: bench.discovery)
        let waiting = try bench.submit(.sample(max: 20, seed: 3))
        for _ in 0..<5 { bench.step() }
        #expect(!waiting.isAdmitted && !bench.links[0].isClosed)

        bench.run { (running + [waiting]).allSatisfy(\.isOver) }
        #expect(bench.links[0].admissions.count == 1)
        for (receiver, request) in zip(running, requests) {
            #expect(receiver.choices == (try RouterBench.undisturbed(request)).choices && receiver.lateEvents == 0)
        }
        bench.router.workerVanished(at: address, in: bench.discovery)
        #expect(!bench.links[0].isClosed)
        bench.links[0].die()
        #expect(bench.links[0].isClosed)
    }

    @Test func `a worker is expected until the last discovery that lists it drops it`() throws {
        let bench = RouterBench(workers: 1)
        let address = RouterBench.address(0)
        let others = (0..<3).map { _ in StaticDiscovery([address]) }
        bench.router.start(others)

        bench.router.workerVanished(at: address, in: others[0])
        bench.links[0].die()
        bench.router.workerLeaving(at: address, in: others[1])
        bench.router.workerDied(at: address, in: others[2])
        #expect(!bench.links[0].isClosed)
        bench.links[0].welcome()
        #expect(bench.router.isReady)

        bench.router.workerVanished(at: address, in: bench.discovery)
        bench.links[0].die()
        #expect(bench.links[0].isClosed)
    }

    @Test func `silence is held against no request, also of workers that no discovery lists any more`() throws {
        let bench = RouterBench(workers: 3)
        for link in bench.links { link.prefillBudget = 8 }
        let receiver = try bench.submit(.sample(Array(repeating: 66, count: 90), max: 20))
        for _ in 0..<2 {
            bench.step()
            let host = try #require(bench.links.firstIndex { $0.runningCount > 0 })
            bench.router.workerVanished(at: RouterBench.address(host), in: bench.discovery)
            bench.links[host].die(silentSeconds: 1)
            bench.step()
            bench.pass(0.12)
        }
        bench.run { receiver.isOver }

        #expect(receiver.failure == nil)
    }

    @Test func `metrics say what ran, waited and moved`() throws {
        let bench = RouterBench(workers: 2, slots: 1)
        let receivers = try (0..<3 as Range<UInt64>).map { try bench.submit(.sample(max: 30, seed: $0)) }
        for _ in 0..<3 { bench.step() }
        bench.pass(0.3)
        let during = bench.metrics.render()
        #expect(during.contains("vllm:num_requests_running{model_name=\"m\"} 2"))
        #expect(during.contains("vllm:num_requests_waiting{model_name=\"m\"} 1"))
        #expect(during.contains("apus_workers{state=\"ready\"} 2"))
        bench.links[0].die()
        bench.links[0].welcome()
        bench.run { receivers.allSatisfy(\.isOver) }
        bench.pass(0.3)

        let after = bench.metrics.render()
        for line in [
            "vllm:num_requests_running{model_name=\"m\"} 0", "vllm:generation_tokens_total{model_name=\"m\"} 90",
            "vllm:prompt_tokens_total{model_name=\"m\"} 9", "apus_sequence_moves_total{cause=\"worker_lost\"} 1",
            "vllm:request_success_total{model_name=\"m\",finished_reason=\"length\"} 3",
            "vllm:num_incoming_requests_total{model_name=\"m\"} 3",
            "vllm:time_to_first_token_seconds_count{model_name=\"m\"} 3",
            "vllm:inter_token_latency_seconds_count{model_name=\"m\"} 87",
            "vllm:inter_token_latency_seconds_bucket{model_name=\"m\",le=\"0.0005\"}",
            "vllm:e2e_request_latency_seconds_count{model_name=\"m\"} 3",
            "vllm:request_queue_time_seconds_count{model_name=\"m\"} 3",
            "vllm:request_max_num_generation_tokens_sum{model_name=\"m\"} 90",
        ] {
            #expect(after.contains(line), "\(line)")
        }
    }

    @Test func `series of a worker go with its link`() throws {
        let bench = RouterBench(workers: 2)
        let receiver = try bench.submit(.sample(max: 10))
        bench.run { receiver.isOver }
        bench.pass(0.3)
        let both = bench.metrics.render()
        #expect(both.contains(#"vllm:healthy_pods_total{server="10.0.0.2:8101"} 1"#))
        #expect(both.contains(#"vllm:cache_config_info{model_name="m",block_size="16",num_gpu_blocks="512"} 1"#))
        #expect(both.contains(#"vllm:iteration_tokens_total_count{model_name="m"} 10"#))
        #expect(both.contains(/vllm:current_qps{server="10.0.0.1:8101"} 0\.0[0-9]*[1-9]/))

        bench.links[1].die()
        bench.pass(0.3)

        let one = bench.metrics.render()
        #expect(!one.contains("10.0.0.2"))
        #expect(one.contains(#"vllm:healthy_pods_total{server="10.0.0.1:8101"} 1"#))
        #expect(one.contains(#"num_gpu_blocks="256"} 1"#) && !one.contains(#"num_gpu_blocks="512"}"#))
    }
}
