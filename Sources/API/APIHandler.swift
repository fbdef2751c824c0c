import Glibc
package import HTTP
import Inference
package import Logging
package import NIOCore
package import Serving
package import Telemetry

/// Answers the public port: every row of the route tables.
///
/// Confined to one event loop, which is that of its service and of every exchange it is given.
package final class APIHandler: HTTPHandler {
    private let core: APICore
    private let routes: [Route]

    /// - Parameters:
    ///   - access: nil where anyone may ask.
    ///   - repository: nil where nothing can be loaded.
    ///   - logger: takes a line for each request that is refused; nil where nobody reads it.
    ///   - offload: runs work on some other thread, soon and always; see ``Offload``.
    package init(
        service: any GenerationService, metrics: MetricRegistry, inference: InferenceStatistics,
        options: APIOptions = APIOptions(), access: AccessControl? = nil, repository: (any ModelRepository)? = nil,
        logger: Logger? = nil, offload: @escaping Offload, surroundings: APISurroundings = .system
    ) {
        core = APICore(
            service: service, metrics: metrics, inference: inference, options: options, access: access,
            repository: repository, logger: logger, offload: offload, surroundings: surroundings)
        routes = RouteTable.open(options)
    }

    package func handle(_ exchange: any HTTPExchange) { core.handle(exchange, among: routes) }

    package func refused(status: Int, sentence: String, on eventLoop: any EventLoop) {
        core.refusedAtTheDoor(status: status, sentence: sentence, on: eventLoop)
    }

    /// How its listener should be: what is refused there has OpenAI's shape too, and models' names may have slashes.
    package static var listenerOptions: HTTPListenerOptions {
        var options = HTTPListenerOptions()
        options.head.encodedSlashesBelow = ["/v1/models/", "/v2/models/"]
        options.refusalBody = { status, sentence in
            var body = ByteBuffer()
            ErrorTable.badHTTP(status: status, sentence).write(into: &body)
            return ("application/json", body)
        }
        return options
    }
}

/// Answers the admin port: metrics, health, version. Whoever reaches it may read; see ``Route/Role-swift.enum/admin`` for
/// what takes a key.
package final class AdminHandler: HTTPHandler {
    private let core: APICore
    private let routes = RouteTable.all.filter { $0.role != .open }

    package init(
        service: any GenerationService, metrics: MetricRegistry, options: APIOptions = APIOptions(),
        access: AccessControl? = nil, repository: (any ModelRepository)? = nil, logger: Logger? = nil,
        surroundings: APISurroundings = .system
    ) {
        // No admin route has a body that is worth a thread.
        core = APICore(
            service: service, metrics: metrics, inference: InferenceStatistics(metrics), options: options,
            access: access, repository: repository, isAdminPort: true, logger: logger, offload: { $0() },
            surroundings: surroundings)
    }

    package func handle(_ exchange: any HTTPExchange) { core.handle(exchange, among: routes) }

    package func refused(status: Int, sentence: String, on eventLoop: any EventLoop) {
        core.refusedAtTheDoor(status: status, sentence: sentence, on: eventLoop)
    }
}

/// Runs work on a thread that may block: a pool's `submit`, as a rule. Every piece handed in must run, once.
package typealias Offload = @Sendable (_ work: @escaping @Sendable () -> Void) -> Void

/// Time and chance, so that tests can choose them.
package struct APISurroundings {
    /// Seconds since 1970.
    package var unixSeconds: () -> Int64
    /// Seconds since some moment, whatever is done to the clock that says the date.
    package var steadySeconds: () -> Int64
    package var randomWord: () -> UInt64

    package init(
        unixSeconds: @escaping () -> Int64, steadySeconds: @escaping () -> Int64, randomWord: @escaping () -> UInt64
    ) {
        self.unixSeconds = unixSeconds
        self.steadySeconds = steadySeconds
        self.randomWord = randomWord
    }

    /// The system is asked for chance once: what names and seeds need of it costs no call each.
    package static var system: APISurroundings {
        var generator = SystemRandomNumberGenerator()
        let key = generator.next()
        var index: UInt64 = 0
        return APISurroundings(
            unixSeconds: { Int64(time(nil)) },
            steadySeconds: { Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000_000) },
            randomWord: {
                index &+= 1
                return CounterRandom.word(key: key, index: index)
            })
    }
}

/// What all calls of a handler share.
final class APICore {
    let service: any GenerationService
    let metrics: MetricRegistry
    let inference: InferenceStatistics
    let options: APIOptions
    /// nil: anyone may ask.
    let access: AccessControl?
    /// nil: nothing can be loaded here.
    let repository: (any ModelRepository)?
    let isAdminPort: Bool
    /// No page has business with the admin port.
    let crossOrigin: CrossOrigin?
    let offload: Offload
    let surroundings: APISurroundings
    private let aliases: AliasTable
    var shadows: ShadowTable
    var openAPI = OpenAPIDocument.Latest()
    /// nil: streams have no ids.
    let resumeSeal: ResumeSeal?
    /// nil where nobody reads its lines.
    let refusalLog: RefusalLog?
    var preparationPlaces: PreparationPlaces
    /// Threads for bodies, in tenants' turns.
    let turns: TurnTaker
    private var answered: [AnsweredKey: Counter] = [:]
    private var ended: [AnsweredKey: Counter] = [:]
    private var refusals: [String: Counter] = [:]
    private var limited: [[String]: Counter] = [:]
    var salts = TenantSalts()
    var envelopeTail = AnswerEnvelope.Tail()

    private struct AnsweredKey: Hashable {
        var route: String
        var status: Int
    }

    init(
        service: any GenerationService, metrics: MetricRegistry, inference: InferenceStatistics, options: APIOptions,
        access: AccessControl?, repository: (any ModelRepository)?, isAdminPort: Bool = false,
        logger: Logger? = nil, offload: @escaping Offload, surroundings: APISurroundings
    ) {
        refusalLog = RefusalLog(logger)
        self.access = access
        self.repository = repository
        self.isAdminPort = isAdminPort
        crossOrigin = isAdminPort ? nil : options.crossOrigin
        self.service = service
        self.metrics = metrics
        self.inference = inference
        self.options = options
        self.offload = offload
        turns = TurnTaker(offload)
        preparationPlaces = PreparationPlaces(countMax: options.preparationCountMax)
        self.surroundings = surroundings
        aliases = AliasTable(options.aliases, metrics)
        shadows = ShadowTable(options.shadows, metrics)
        resumeSeal = options.resumeKey.flatMap { try? KeyedDigest(key: $0) }.map { ResumeSeal($0) }
    }

    /// The models that are served now, under all their names.
    var directory: ModelDirectory {
        ModelDirectory(models: service.models, aliases: aliases, coming: repository.map { Self.coming($0.models) })
    }

    private static func coming(_ models: [RepositoryModel]) -> Set<String> {
        Set(models.filter { $0.state == .loading || $0.state == .loaded }.map(\.name))
    }

    func handle(_ exchange: any HTTPExchange, among routes: [Route]) {
        // Once: an exchange gives a copy of it.
        let request = exchange.request
        let (method, path) = (request.method, request.path)
        switch RouteTable.match(method: method, path: path, among: routes) {
        case .route(let route, let id):
            let call = APICall(exchange, core: self, route: route.pattern, id: id)
            do throws(APIError) {
                call.caller = try caller(for: route.role) { request.header($0) }
            } catch {
                return call.refuse(error)
            }
            route.handle(call)
        case .otherMethods(let methods):
            if let fields = crossOrigin?.preflight(request, methods: methods) {
                // A browser shows no key here.
                let call = APICall(exchange, core: self, route: "other", id: "")
                return call.respond(contentType: "text/plain", headers: fields, body: ByteBuffer())
            }
            failUnknown(
                exchange, .methodNotAllowed(method, path: path, allowed: methods),
                headers: [HTTPField("allow", methods.joined(separator: ", "))])
        case .none: failUnknown(exchange, .notFound(path: path))
        }
    }

    /// Of a request that the listener could not read, so that nobody knows who asked for what.
    func refusedAtTheDoor(status: Int, sentence: String, on eventLoop: any EventLoop) {
        let (route, code) = ("other", ErrorTable.badHTTP(status: status, sentence).code)
        answered(route: route, status: status)
        refused(code: code)
        guard let refusalLog, let origin = origin(id: nil, route: route, trace: nil, []) else { return }
        refusalLog.refused(origin, status: status, code: code, reason: sentence, tenant: "", on: eventLoop)
    }

    /// Who is not known is not told what there is.
    private func failUnknown(_ exchange: any HTTPExchange, _ error: APIError, headers: [HTTPField] = []) {
        let call = APICall(exchange, core: self, route: "other", id: "")
        do throws(APIError) {
            if !isAdminPort { _ = try access?.caller { exchange.request.header($0) } }
        } catch {
            return call.refuse(error)
        }
        call.fail(error, headers: headers)
    }

    /// Counts an answer. Both labels are from closed sets: patterns of the tables, statuses of the code.
    func answered(route: String, status: Int) {
        let key = AnsweredKey(route: route, status: status)
        Self.count(key, in: &answered) { metrics.counter(.httpRequests, labels: [route, String(status)]) }
    }

    /// Counts the end of a gRPC call. Methods are those of the services: a closed set.
    func ended(method: String, code: GRPCStatusCode) {
        let key = AnsweredKey(route: method, status: code.rawValue)
        Self.count(key, in: &ended) { metrics.counter(.grpcCalls, labels: [method, String(code.rawValue)]) }
    }

    /// Counts a refusal. Codes are literals of this room: a closed set.
    func refused(code: String?) {
        let code = code ?? "other"
        Self.count(code, in: &refusals) { metrics.counter(.requestsRejected, labels: [code]) }
    }

    /// Counts a request over its tenant's limits. Tenants with limits are those of the operator's file.
    func overLimit(_ tenant: String, code: String) {
        Self.count([tenant, code], in: &limited) {
            metrics.counter(.tenantRefusals, labels: [metrics.tenants.label(of: tenant), code])
        }
    }

    private static func count<Key>(_ key: Key, in counters: inout [Key: Counter], _ make: () -> Counter) {
        if let counter = counters[key] { return counter.add() }
        let counter = make()
        counters[key] = counter
        counter.add()
    }
}
