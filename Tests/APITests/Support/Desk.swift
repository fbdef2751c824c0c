import API
import HTTP
import Inference
import Logging
import NIOCore
import NIOEmbedded
import Serving
import Synchronization
import Telemetry
import Text

/// A handler with everything around it under the test's control.
final class Desk {
    let loop = EmbeddedEventLoop()
    let service: ScriptedService
    let metrics = MetricRegistry()
    let handler: APIHandler
    let admin: AdminHandler
    /// Work handed to another thread: done when a request was sent, or where it is held, when the test runs it.
    let offloaded = Offloaded()
    let clock = Clock()

    /// Two clocks that go alike, until one is put back.
    final class Clock {
        /// Since 1970.
        var seconds: Int64 = 1_700_000_000
        var isBehind: Int64 = 0
    }

    final class Offloaded: Sendable {
        private let work = Mutex<[@Sendable () -> Void]>([])
        private let hold = Atomic<Bool>(false)
        var isHeld: Bool {
            get { hold.load(ordering: .relaxed) }
            set { hold.store(newValue, ordering: .relaxed) }
        }
        func add(_ piece: @escaping @Sendable () -> Void) { work.withLock { $0.append(piece) } }
        var count: Int { work.withLock { $0.count } }
        func runAll() {
            let pieces = work.withLock { work in
                defer { work = [] }
                return work
            }
            for piece in pieces { piece() }
        }
    }

    init(
        models: [ServedModel] = [.tiny()], access: AccessControl? = nil, repository: (any ModelRepository)? = nil,
        logger: Logger? = nil, _ change: (inout APIOptions) -> Void = { _ in }
    ) {
        var options = APIOptions()
        options.version = "1.2.3"
        change(&options)
        service = ScriptedService(models: models)
        var words: UInt64 = 0
        let surroundings = APISurroundings(
            unixSeconds: { [clock] in clock.seconds - clock.isBehind },
            steadySeconds: { [clock] in clock.seconds },
            randomWord: {
                words += 1
                return words
            })
        let offloaded = offloaded
        handler = APIHandler(
            service: service, metrics: metrics, inference: InferenceStatistics(metrics), options: options,
            access: access, repository: repository, logger: logger, offload: { offloaded.add($0) },
            surroundings: surroundings)
        admin = AdminHandler(
            service: service, metrics: metrics, options: options, access: access, repository: repository,
            surroundings: surroundings)
    }

    @discardableResult
    func send(
        _ method: String, _ path: String, headers: [HTTPField] = [], body: Result<[UInt8], HTTPBodyError>?,
        toAdmin: Bool = false
    ) -> RecordingExchange {
        let exchange = RecordingExchange(
            HTTPRequestHead(method: method, path: path, query: nil, headers: headers, majorVersion: 1), body: body,
            loop: loop)
        if toAdmin { admin.handle(exchange) } else { handler.handle(exchange) }
        if !offloaded.isHeld, offloaded.count > 0 {
            offloaded.runAll()
            loop.run()
        }
        return exchange
    }

    @discardableResult func post(_ path: String, _ json: String, headers: [HTTPField] = []) -> RecordingExchange {
        send(
            "POST", path, headers: [HTTPField("content-type", "application/json")] + headers,
            body: .success(Array(json.utf8)))
    }

    @discardableResult func get(_ path: String, headers: [HTTPField] = []) -> RecordingExchange {
        send("GET", path, headers: headers, body: .success([]))
    }

    @discardableResult func chat(_ more: String = "") -> RecordingExchange {
        post("/v1/chat/completions", #"{"model":"tiny","messages":[{"role":"user","content":"Hi"}]\#(more)}"#)
    }

    @discardableResult func complete(_ more: String = "") -> RecordingExchange {
        post("/v1/completions", #"{"model":"tiny","prompt":"Hi"\#(more)}"#)
    }
}

extension ServedModel {
    /// One token for each byte (its id is the byte), then <|im_start|> 256, <|im_end|> 257, <s> 258; those of filling in are
    /// 259, 260, 261, and <|file_sep|> 262.
    static func tiny(
        name: String = "tiny", contextLength: Int = 256, hasTemplate: Bool = true, addsBOS: Bool = false,
        hasTools: Bool = false, fillsIn: Bool = false, pooledOutput: PooledOutput? = nil
    ) -> ServedModel {
        var spec = TokenizerSpec(
            kind: .bytePairEncoding, preTokenizer: "gpt-2",
            tokens: (0...255).map { String(Self.gpt2Character($0)) } + ["<|im_start|>", "<|im_end|>", "<s>"],
            tokenKinds: Array(repeating: .normal, count: 256) + [.control, .control, .control])
        if fillsIn {
            spec.tokens += ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>"]
            spec.tokenKinds += Array(repeating: .control, count: 4)
        }
        spec.bosToken = 258
        spec.eosToken = 257
        spec.addsBOS = addsBOS
        let tools = #"""
            {% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}<tool_call>{% endif %}{% for message in messages %}{% for call in message.tool_calls or [] %}{{ call.function.name + ' ' + (call.function.arguments | tojson) }}{% endfor %}{% if message.tool_call_id %}{{ message.tool_call_id }}{% endif %}{% endfor %}
            """#
        let template =
            (hasTools ? tools : "") + #"""
                {% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + (message['content'] or '') + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
                """#
        guard let tokenizer = try? Tokenizer(spec),
            let chatTemplate = try? ChatTemplate(source: template, bosToken: "<s>", eosToken: "<|im_end|>")
        else { fatalError("the tests' own tokenizer and template are sound") }
        return ServedModel(
            name: name, tokenizer: tokenizer, chatTemplate: hasTemplate ? chatTemplate : nil,
            contextLength: contextLength, numericsID: "0123456789abcdef", created: 1_600_000_000,
            pooledOutput: pooledOutput)
    }

    /// The character that stands for a byte in GPT-2's vocabularies: itself where it can be seen, else one from 256 on.
    private static func gpt2Character(_ byte: Int) -> Character {
        let seen = { (byte: Int) in (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174 }
        let code = seen(byte) ? byte : 256 + (0..<byte).count { !seen($0) }
        return Character(UnicodeScalar(UInt32(code)) ?? " ")
    }
}

func logged(_ text: String, _ logprob: Float, _ others: (String, Float)...) -> LoggedToken {
    func one(_ text: String, _ logprob: Float) -> LoggedToken.Alternative {
        .init(token: TokenID(text.utf8.first ?? 0), bytes: Array(text.utf8), logprob: logprob)
    }
    return LoggedToken(chosen: one(text, logprob), top: others.map { one($0.0, $0.1) })
}
