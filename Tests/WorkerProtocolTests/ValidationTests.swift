import Inference
import SwiftProtobuf
import TestSupport
import Testing

@testable import WorkerProtocol

/// What a hostile or broken peer may send, and the error that names it.
@Suite struct ValidationTests {
    static let load = WireLoad()

    struct StepCase: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var break_: @Sendable (inout WireStep) -> Void
        var error: WireError

        init(_ name: String, _ error: WireError, _ change: @escaping @Sendable (inout WireStep) -> Void) {
            testDescription = name
            break_ = change
            self.error = error
        }
    }

    /// Two sequences, with one token and two.
    static func step() -> WireStep {
        var step = WireStep()
        step.sequences = [1, 2]
        step.tokenCounts = [1, 2]
        step.tokens = [10, 20, 21]
        step.load = load
        return step
    }

    static let stepCases = [
        StepCase(
            "a count is missing", .columnsDisagree(field: "step.token_counts", count: 1, expected: 2),
            { $0.tokenCounts = [3] }),
        StepCase(
            "counts take more than there is", .columnsDisagree(field: "step.tokens", count: 2, expected: 3),
            { $0.tokenCounts = [1, 3] }),
        StepCase(
            "counts near the limit", .columnsDisagree(field: "step.tokens", count: 3, expected: Int(UInt32.max)),
            { $0.tokenCounts = [.max, .max] }),
        StepCase(
            "tokens are left over", .columnsDisagree(field: "step.tokens", count: 3, expected: 2),
            { $0.tokenCounts = [1, 1] }),
        StepCase(
            "a token above Int32",
            .outOfRange(field: "step.tokens", value: "2147483648", allowed: "a token id, up to 2147483647"),
            { $0.tokens[0] = 1 << 31 }),
        StepCase(
            "too few finishes", .columnsDisagree(field: "step.finishes", count: 1, expected: 2),
            { $0.finishes = [.stop] }),
        StepCase(
            "an unknown finish", .unknownValue(field: "step.finishes", value: 77),
            { $0.finishes = [.none, .UNRECOGNIZED(77)] }),
        StepCase(
            "a failure without its sentence", .missing(field: "step.failures"), { $0.finishes = [.none, .failed] }),
        StepCase(
            "a sentence without its failure", .columnsDisagree(field: "step.failures", count: 1, expected: 0),
            { $0.failures = ["why"] }),
        StepCase(
            "too many cached counts", .columnsDisagree(field: "step.cached_plus_one", count: 3, expected: 2),
            { $0.cachedPlusOne = [1, 2, 3] }),
        StepCase(
            "log-probabilities for some tokens of an entry",
            .columnsDisagree(field: "step.logprobs.row_counts", count: 1, expected: 2),
            {
                $0.logprobs = WireLogprobColumns([[], [TokenLogprobs(token: 20, logprob: -1, top: [])]])
            }),
        StepCase(
            "a NaN", .outOfRange(field: "step.logprobs.logprobs", value: "nan", allowed: "a finite number"),
            { $0.logprobs = WireLogprobColumns([[TokenLogprobs(token: 20, logprob: .nan, top: [])], []]) }),
        StepCase(
            "an infinite alternative",
            .outOfRange(field: "step.prompt_logprobs.alternative_logprobs", value: "-inf", allowed: "a finite number"),
            {
                let top = [TokenLogprobs.Alternative(token: 1, logprob: -.infinity)]
                $0.promptLogprobs = WireLogprobColumns([[TokenLogprobs(token: 20, logprob: -1, top: top)], []])
            }),
        StepCase(
            "rows that belong to nobody",
            .columnsDisagree(field: "step.prompt_logprobs.tokens", count: 1, expected: 0),
            {
                $0.promptLogprobs = WireLogprobColumns([[TokenLogprobs(token: 20, logprob: -1, top: [])], []])
                $0.promptLogprobs.rowCounts = [0, 0]
            }),
        StepCase(
            "alternatives that belong to no row",
            .columnsDisagree(field: "step.prompt_logprobs.alternative_tokens", count: 1, expected: 0),
            {
                let top = [TokenLogprobs.Alternative(token: 1, logprob: -2)]
                $0.promptLogprobs = WireLogprobColumns([[TokenLogprobs(token: 20, logprob: -1, top: top)], []])
                $0.promptLogprobs.alternativeCounts = [0]
            }),
        StepCase(
            "a load beyond belief",
            .outOfRange(field: "load.free_slots", value: "4294967295", allowed: "from 0 to 1048576"),
            { $0.load.freeSlots = .max }),
    ]

    @Test(arguments: stepCases) func `a step that does not add up is refused`(example: StepCase) throws {
        var wire = WireWorkerMessage()
        wire.step = Self.step()
        _ = try WorkerMessage(bytes: wire.encoded().span.bytes)

        example.break_(&wire.step)

        #expect(throws: example.error) { try WorkerMessage(bytes: wire.encoded().span.bytes) }
    }

    struct AdmitCase: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var field: String
        var change: @Sendable (inout WireAdmit) -> Void

        init(_ name: String, _ field: String, _ change: @escaping @Sendable (inout WireAdmit) -> Void) {
            testDescription = name
            self.field = field
            self.change = change
        }
    }

    static let admitCases = [
        AdmitCase("no tokens", "admit.tokens", { $0.tokens = [] }),
        AdmitCase("a negative token", "admit.tokens", { $0.tokens = [UInt32(bitPattern: -1)] }),
        AdmitCase("no sampling", "admit.sampling", { $0.clearSampling() }),
        AdmitCase("a trace without a name", "trace.trace_id_high", { $0.trace.spanID = 5 }),
        AdmitCase(
            "a trace without a span", "trace.span_id",
            {
                $0.trace.traceIDLow = 1
                $0.trace.spanID = 0
            }),
        AdmitCase(
            "a trace with too much beside it", "trace.state",
            {
                $0.trace.traceIDHigh = 1
                $0.trace.spanID = 1
                $0.trace.state = String(repeating: "s", count: 513)
            }),
        AdmitCase("no prompt", "admit.prompt_token_count", { $0.promptTokenCount = 0 }),
        AdmitCase("a prompt longer than the tokens", "admit.prompt_token_count", { $0.promptTokenCount = 4 }),
        AdmitCase("temperature NaN", "sampling.temperature", { $0.sampling.temperature = .nan }),
        AdmitCase("temperature below 0", "sampling.temperature", { $0.sampling.temperature = -0.1 }),
        AdmitCase("temperature infinite", "sampling.temperature", { $0.sampling.temperature = .infinity }),
        AdmitCase("top_p 0", "sampling.top_p", { $0.sampling.topP = 0 }),
        AdmitCase("top_k too large", "sampling.top_k", { $0.sampling.topK = .max }),
        AdmitCase("min_p above 1", "sampling.min_p", { $0.sampling.minP = 1.5 }),
        AdmitCase("repetition penalty 0", "sampling.repetition_penalty", { $0.sampling.repetitionPenalty = 0 }),
        AdmitCase(
            "repetition penalty infinite", "sampling.repetition_penalty", { $0.sampling.repetitionPenalty = .infinity }),
        AdmitCase("presence penalty 3", "sampling.presence_penalty", { $0.sampling.presencePenalty = 3 }),
        AdmitCase("frequency penalty NaN", "sampling.frequency_penalty", { $0.sampling.frequencyPenalty = .nan }),
        AdmitCase("a bias without its token", "sampling.biases", { $0.sampling.biases = [1] }),
        AdmitCase(
            "an infinite bias", "sampling.biases",
            {
                $0.sampling.biases = [.infinity]
                $0.sampling.biasTokens = [1]
            }),
        AdmitCase(
            "a token biased twice", "sampling.bias_tokens",
            {
                $0.sampling.biases = [1, 2]
                $0.sampling.biasTokens = [7, 7]
            }),
        AdmitCase("a constraint of no kind", "constraint.kind", { $0.sampling.constraint.source = "a" }),
        AdmitCase(
            "a constraint of an unknown kind", "constraint.kind",
            { $0.sampling.constraint.kind = .UNRECOGNIZED(99) }),
        AdmitCase("a constraint without its source", "constraint.source", { $0.sampling.constraint.kind = .regex }),
        AdmitCase(
            "a constraint that is too long", "constraint.source",
            {
                $0.sampling.constraint.kind = .regex
                $0.sampling.constraint.source = String(repeating: "a", count: (64 << 10) + 1)
            }),
        AdmitCase("stop tokens out of order", "sampling.stop_tokens", { $0.sampling.stopTokens = [9, 3] }),
        AdmitCase("a stop token above Int32", "sampling.stop_tokens", { $0.sampling.stopTokens = [.max] }),
        AdmitCase("too many alternatives", "sampling.logprobs", { $0.sampling.logprobs = 5000 }),
        AdmitCase("too many prompt alternatives", "sampling.prompt_logprobs", { $0.sampling.promptLogprobs = 5000 }),
    ]

    @Test(arguments: admitCases) func `an admission out of range is refused and the field named`(
        example: AdmitCase
    ) throws {
        let message = RouterMessage.command(
            .admit(
                AdmittedSequence(
                    id: SequenceID(1), tokens: [1, 2, 3], promptTokenCount: 2, sampling: SamplingParameters())))
        var wire = try WireRouterMessage(serializedBytes: message.bytes)

        example.change(&wire.admit)

        do {
            _ = try RouterMessage(bytes: wire.encoded().span.bytes)
            Issue.record("\(example.testDescription) was taken")
        } catch {
            #expect(error.description.contains(example.field))
        }
    }

    @Test func `a command that this version does not know ends the link`() {
        #expect(throws: WireError.unknownCommand) { try RouterMessage(bytes: Self.unknownKind.span.bytes) }
    }

    @Test func `news that this version does not know is passed over`() throws {
        #expect(try WorkerMessage(bytes: Self.unknownKind.span.bytes) == .unknown)
    }

    @Test func `fields that this version does not know are passed over`() throws {
        let message = RouterMessage.command(.cancel(SequenceID(5)))

        #expect(try RouterMessage(bytes: (message.bytes + Self.unknownKind).span.bytes) == message)
    }

    /// Field 100, two bytes long.
    static let unknownKind: [UInt8] = [0xA2, 0x06, 0x02, 0x01, 0x02]

    @Test func `bytes that are no message are refused`() {
        #expect(throws: WireError.undecodable(message: "RouterMessage")) {
            try RouterMessage(bytes: ([0xFF, 0xFF, 0xFF] as [UInt8]).span.bytes)
        }
        let large = [UInt8](repeating: 0, count: WireLimits.messageByteMax + 1)
        #expect(throws: WireError.self) { try WorkerMessage(bytes: large.span.bytes) }
    }

    @Test(arguments: [("", 1...1), (String(repeating: "r", count: 129), 1...1)] as [(String, ClosedRange<UInt32>)])
    func `a router without a proper name is refused`(name: String, versions: ClosedRange<UInt32>) {
        let hello = RouterMessage.hello(RouterHello(versions: versions, router: name, epoch: 1))

        #expect(throws: WireError.self) { try RouterMessage(bytes: hello.bytes.span.bytes) }
    }

    @Test func `versions from above to below are refused`() {
        var wire = WireRouterMessage()
        wire.hello.versionMin = 3
        wire.hello.versionMax = 2
        wire.hello.router = "r"

        #expect(throws: WireError.self) { try RouterMessage(bytes: wire.encoded().span.bytes) }
    }

    @Test func `the newest common version counts`() throws {
        #expect(try ProtocolVersion.agreed(with: 1...4, ours: 2...3) == 3)
        #expect(try ProtocolVersion.agreed(with: 3...9, ours: 2...3) == 3)
        #expect(throws: WireError.noCommonVersion(theirs: 4...9, ours: 2...3)) {
            try ProtocolVersion.agreed(with: 4...9, ours: 2...3)
        }
    }

    @Test func `a welcome in a version never offered is refused`() {
        var random = SeededRandom(seed: 1)
        let bytes = WorkerMessage.bytes(.welcome(random.description()), version: 99)

        #expect(throws: WireError.noCommonVersion(theirs: 99...99, ours: ProtocolVersion.supported)) {
            try WorkerMessage(bytes: bytes.span.bytes)
        }
    }

    @Test(arguments: [0, 24 * 3600 + 1, -1, .nan, .infinity] as [Double])
    func `a drain has a deadline within a day`(seconds: Double) throws {
        let bytes = RouterMessage.command(.drain(deadlineSeconds: seconds)).bytes

        if seconds == 0 {
            _ = try RouterMessage(bytes: bytes.span.bytes)
        } else {
            #expect(throws: WireError.self) { try RouterMessage(bytes: bytes.span.bytes) }
        }
    }
}
