// swift-tools-version: 6.2
import PackageDescription

/// Rooms and what each may import. The order is the house's: a room sees only rooms above it in this file.
/// Sources/README.md explains the house; Tests/HouseRulesTests keeps it.

let ours: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]
/// Rooms without pointers: the compiler proves it.
let safe: [SwiftSetting] = ours + [.strictMemorySafety()]

let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
/// What swift-nio asks for by ranges, so that its versions are exact too. SwiftPM warns of packages that no target uses; one
/// that uses them where Apus does not run adds nothing to what is built.
let pinned: [Target.Dependency] = [
    .product(name: "Atomics", package: "swift-atomics", condition: .when(platforms: [.windows])),
    .product(name: "SystemPackage", package: "swift-system", condition: .when(platforms: [.windows])),
]

let package = Package(
    name: "apus",
    products: [.executable(name: "apus", targets: ["apus"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0", traits: []),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/apple/swift-atomics", exact: "1.3.0"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
    ],
    targets: [
        // System libraries and C
        .systemLibrary(name: "CNGHTTP2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CResolver"),
        .systemLibrary(name: "CSandbox"),
        .target(
            name: "CKernels",
            exclude: ["README.md"],
            cSettings: [
                .unsafeFlags(["-O3", "-std=c11", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"])
            ]),

        // Shared ground
        .target(name: "Inference", swiftSettings: safe),
        .target(name: "JSON", dependencies: ["Inference"], swiftSettings: safe),
        .target(name: "Text", dependencies: ["Inference", collections("OrderedCollections")], swiftSettings: safe),
        .target(name: "Grammar", dependencies: ["Inference", "JSON"], swiftSettings: safe),
        .target(name: "Weights", dependencies: ["JSON"], swiftSettings: ours),
        .target(name: "Sandbox", dependencies: ["CSandbox"], swiftSettings: ours),
        .target(name: "Telemetry", dependencies: ["Inference", logging], swiftSettings: safe),
        .target(name: "Configuration", dependencies: ["Yams"], swiftSettings: ours),
        .target(
            name: "HTTP",
            dependencies: ["CNGHTTP2", "COpenSSL", nio, nioPosix, nioHTTP1, nioTLS] + pinned,
            swiftSettings: ours),
        .target(
            name: "Tracing", dependencies: ["Inference", "Telemetry", "HTTP", nio, logging], swiftSettings: ours),
        .target(name: "WorkerProtocol", dependencies: ["Inference", "Text", protobuf], swiftSettings: ours),
        .target(name: "InferenceProtocol", dependencies: [protobuf], swiftSettings: ours),

        // One step of one worker
        .target(name: "Kernels", dependencies: ["CKernels"], swiftSettings: ours),
        .target(
            name: "Models", dependencies: ["Inference", "JSON", "Text", "Weights", "Kernels"], swiftSettings: ours),
        .target(name: "Engine", dependencies: ["Inference", "Grammar", "Kernels", "Models"], swiftSettings: ours),
        .target(
            name: "Worker",
            dependencies: [
                "Inference", "Text", "Grammar", "Telemetry", "HTTP", "WorkerProtocol", "Models", "Engine", nio,
                nioPosix, logging,
            ],
            swiftSettings: ours),

        // Which worker, when
        .target(
            name: "Scheduling",
            dependencies: ["Inference", collections("DequeModule")],
            swiftSettings: safe),
        .target(
            name: "Simulation",
            dependencies: ["Inference", "Scheduling", collections("DequeModule"), collections("HeapModule")],
            swiftSettings: safe),
        .target(name: "Serving", dependencies: ["Inference", "Text"], swiftSettings: safe),
        .target(
            name: "Router",
            dependencies: [
                "CResolver", "Inference", "JSON", "Text", "Telemetry", "HTTP", "WorkerProtocol", "Scheduling",
                "Serving", nio, nioPosix, logging, collections("DequeModule"),
            ],
            swiftSettings: ours),

        // What clients speak
        .target(
            name: "API",
            dependencies: [
                "Inference", "JSON", "Text", "Grammar", "Telemetry", "HTTP", "InferenceProtocol", "Serving", nio,
                protobuf, logging,
            ],
            swiftSettings: ours),

        .executableTarget(
            name: "apus",
            dependencies: [
                "Inference", "Text", "Weights", "Sandbox", "Telemetry", "Configuration", "HTTP", "Tracing", "Kernels",
                "Models", "Engine", "Grammar", "Worker", "Scheduling", "Simulation", "Router", "API", nio, nioPosix,
                logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: ours),

        .target(name: "CAllocations", path: "Tests/CAllocations"),
        .target(name: "TestSupport", dependencies: [logging], path: "Tests/TestSupport", swiftSettings: ours),
        .executableTarget(
            name: "SandboxProbe", dependencies: ["Sandbox"], path: "Tests/SandboxProbe", swiftSettings: ours),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "Inference", "JSON", "Text", "Grammar", "Weights", "Telemetry", "HTTP", "WorkerProtocol", "Models",
                "Serving", "API", nio, nioEmbedded,
            ],
            path: "Tests/Fuzz/Targets", swiftSettings: ours),
        .testTarget(
            name: "FuzzTests", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Tests", swiftSettings: ours),
        test("Inference", []),
        test("JSON", []),
        test("Text", []),
        test("Grammar", ["Inference", "JSON"]),
        test("Weights", []),
        test("Sandbox", ["CSandbox", "SandboxProbe"]),
        test("Telemetry", ["Inference", "JSON", logging]),
        test("Tracing", ["Inference", "Telemetry", "HTTP", nio, nioPosix, logging]),
        test("Configuration", []),
        test("Kernels", []),
        test("HTTP", [nio, nioPosix]),
        test("WorkerProtocol", ["Inference", "Text", protobuf]),
        test("Models", ["Inference", "Text", "Grammar", "Weights"]),
        test("Engine", ["CAllocations", "Inference", "Grammar", "Kernels", "Models"]),
        test(
            "Worker",
            [
                "Inference", "Text", "Telemetry", "HTTP", "WorkerProtocol", "Models", "Engine", nio, nioPosix,
                nioEmbedded, logging,
            ]),
        test("Scheduling", ["Inference"]),
        test("Simulation", ["Inference", "Scheduling"]),
        test(
            "Router",
            [
                "Inference", "JSON", "Text", "Telemetry", "HTTP", "WorkerProtocol", "Scheduling", "Serving", nio,
                nioPosix, nioEmbedded, logging, protobuf,
            ]),
        test(
            "API",
            [
                "Inference", "JSON", "Text", "Telemetry", "HTTP", "InferenceProtocol", "Serving", nio, nioEmbedded,
                protobuf, logging,
            ]),
        .testTarget(name: "HouseRulesTests", swiftSettings: ours),
        .testTarget(
            name: "EndToEndTests", dependencies: ["apus", "Grammar", "Inference", "TestSupport"],
            exclude: [
                "check_constraints.py", "constrained_client.py", "description.py", "dialects_client.py",
                "ecosystem_client.py", "embedding_client.py", "keda_client.py", "kserve_client.py",
                "log_client.py", "ollama_embedding_client.py", "openai_client.py", "pull_server.py", "tools.jinja",
                "tools_client.py",
                "trace_collector.py", "triton_client.py",
            ],
            swiftSettings: ours),
    ]
)

/// Needs the compiler's -sanitize=fuzzer everywhere: `make fuzz` asks for it.
if Context.environment["APUS_FUZZ"] != nil {
    package.targets += [
        .systemLibrary(name: "CLibFuzzer", path: "Tests/Fuzz/CLibFuzzer"),
        .executableTarget(
            name: "fuzz", dependencies: ["CLibFuzzer", "FuzzTargets"], path: "Tests/Fuzz/Driver", swiftSettings: ours),
    ]
}

/// The tests of a room, which may use what stands in its doors.
func test(_ room: String, _ others: [Target.Dependency]) -> Target {
    .testTarget(
        name: room + "Tests", dependencies: [.init(stringLiteral: room), "TestSupport"] + others, swiftSettings: ours)
}

func collections(_ product: String) -> Target.Dependency {
    .product(name: product, package: "swift-collections")
}
