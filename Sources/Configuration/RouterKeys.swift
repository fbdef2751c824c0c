/// Settings of a router, for `apus router` and for the router inside `apus serve`.
package enum RouterKeys {
    package static let host = Key<String>.text(
        "host", "Address to listen on; 0.0.0.0 for all.", "HOST", default: "127.0.0.1", maxLength: 253)
    package static let httpPort = Key<Int>.integer(
        "http-port", "Port of the REST API, HTTP/1.1 and HTTP/2.", "PORT", default: 8000, in: 0...65535)
    package static let grpcPort = Key<Int>.integer(
        "grpc-port", "Port of the gRPC API.", "PORT", default: 8001, in: 0...65535)
    package static let adminPort = Key<Int>.integer(
        "admin-port", "Port of metrics and health.", "PORT", default: 8002, in: 0...65535)
    package static let connectionShare = Key<Double>.share(
        "connection-share",
        "Once half of a port's connections are taken, one client's address may have no more than this part of them. 1 "
            + "where clients come through a proxy, whose address they share.", default: 0.25)
    package static let workerAddress = Key<[String]>.list(
        "worker-address",
        "Workers, or names that resolve to them, separated by commas; a name like _link._tcp.NAME has SRV records.",
        "HOST:PORT,…")
    package static let workerService = Key<[String]>.list(
        "worker-service",
        "Services of the Kubernetes cluster around this router whose endpoints are workers, separated by commas.",
        "[NAMESPACE/]NAME:PORTNAME,…")
    package static let serviceAccount = Key<String>.text(
        "service-account", "Folder with the token, ca.crt and namespace that the API server is asked with.", "FOLDER",
        default: "/var/run/secrets/kubernetes.io/serviceaccount")
    package static let expectedModel = Key<[String]>.list(
        "expect-model",
        "Models, each with a file or folder that its tokenizer is read from, that are served before any worker of theirs is "
            + "there: requests wait for the first one, which an autoscaler starts.", "NAME=FILE,…")
    package static let modelAlias = Key<[String]>.list(
        "model-alias",
        "Names that stand for models: NAME=MODEL, or NAME=MODEL:WEIGHT several times for the same NAME, whose requests are "
            + "then divided by weight.", "NAME=MODEL[:WEIGHT],…")
    package static let modelShadow = Key<[String]>.list(
        "model-shadow",
        "Models that get copies of so many percent of another one's requests and whose answers nobody sees: "
            + "MODEL=SHADOW[:PERCENT], 100 when left out.", "MODEL=SHADOW[:PERCENT],…")
    package static let queueLimit = Key<Int>.integer(
        "queue-limit", "Requests that may wait; more are refused with 429.", default: 4096, in: 1...1_000_000)
    package static let queueWait = Key<Double>.seconds(
        "queue-wait",
        "A request that would wait longer, by how fast the queue has moved, is refused with 429. As many as the workers "
            + "have slots may always wait.", default: 30, in: 0.01...86_400)
    package static let queueTokenLimit = Key<Int>.integer(
        "queue-token-limit", "Prompt tokens that may wait; more are refused with 429.", default: 4_194_304,
        in: 1...1_000_000_000)
    package static let queueByteLimit = Key<Int>.bytes(
        "queue-byte-limit", "Memory that waiting requests may take; more are refused with 429.", default: 256 << 20,
        defaultText: "256MiB", in: 1024...(1 << 40))
    package static let accessKeys = Key<String>.text(
        "api-keys",
        "YAML file with the SHA-256 of each key that callers may show, its tenant, roles and limits; `apus key` makes "
            + "entries. Read again when it changes. Without it anyone may ask.", "FILE")
    package static let tenantHeader = Key<String>.headerName(
        "tenant-header",
        "Request header that names the tenant, among whom workers are shared fairly. Set it only where a proxy you trust "
            + "writes that header: clients could call themselves anything. Without it all requests are one tenant's.")
    package static let allowedOrigins = Key<[String]>.list(
        "allowed-origins",
        "Origins of web pages whose scripts may ask and read answers, separated by commas; * for any. Without it browsers "
            + "let no page but one of the API's own host and port.", "SCHEME://HOST[:PORT],…")
    package static let publicMetrics = Key<Bool>.boolean(
        "public-metrics", "/metrics is on the HTTP port, too, and not on the admin port alone.", default: false)
    package static let queueTimeout = Key<Double>.seconds(
        "queue-timeout", "A request that waits longer fails.", default: 60, in: 0.01...86_400)
    package static let requestTimeout = Key<Double>.seconds(
        "request-timeout", "A request that takes longer in all fails.", default: 600, in: 0.01...86_400)
    package static let firstTokenObjective = Key<Double>.seconds(
        "slo-first-token", "A request whose first token takes longer misses the objective (apus_slo_attainment).",
        default: 2, in: 0.001...86_400)
    package static let tokenObjective = Key<Double>.seconds(
        "slo-token", "A request whose tokens take longer each, in the mean, misses the objective.", default: 0.2,
        in: 0.001...86_400)
    package static let maxBodyBytes = Key<Int>.bytes(
        "max-body-size", "Largest request body.", default: 8 << 20, defaultText: "8MiB", in: 1024...(1 << 30))
    package static let resumeKeyFile = Key<String>.text(
        "resume-key-file",
        "File with the secret (32 bytes or more) that lets clients go on with a stream at another router; the same for "
            + "all routers. Without it, a stream goes on at its own router only.", "FILE")
    package static let resumeWindow = Key<Int>.integer(
        "resume-window", "For so long after an event its stream can be gone on with; 0: events have no ids.",
        "SECONDS", default: 600, in: 0...86_400)
    package static let tlsCertificate = Key<String>.text(
        "tls-cert", "PEM file with the certificate chain of the API; turns TLS on.", "FILE")
    package static let tlsKey = Key<String>.text("tls-key", "PEM file with the certificate's private key.", "FILE")

    package static let listening =
        [host.name, httpPort.name, grpcPort.name, adminPort.name, connectionShare.name] + AdminTLSKeys.names
    package static let serving =
        [
            modelAlias.name, modelShadow.name, queueLimit.name, queueWait.name, queueTokenLimit.name,
            queueByteLimit.name, accessKeys.name, tenantHeader.name, allowedOrigins.name, publicMetrics.name,
            queueTimeout.name, requestTimeout.name, firstTokenObjective.name, tokenObjective.name, maxBodyBytes.name,
            resumeKeyFile.name, resumeWindow.name,
            tlsCertificate.name, tlsKey.name,
        ] + TraceKeys.names
    package static let finding = [
        workerAddress.name, workerService.name, serviceAccount.name, expectedModel.name,
    ]
    package static let names =
        listening + serving + finding + LinkTLSKeys.names + CommonKeys.names
}
