import HTTP
import InferenceProtocol
import NIOCore
import NIOEmbedded
import Serving
import SwiftProtobuf
import Testing

@testable import API

/// What KEDA asks, in its own messages.
@Suite struct ExternalScalerTests {
    static func desk(models: [ServedModel] = [.tiny()], _ signals: ScalingSignals) -> GRPCDesk {
        let desk = GRPCDesk(models: models)
        for model in models { desk.service.scaling[model.name] = signals }
        return desk
    }

    static func trigger(_ metadata: [String: String] = [:]) -> WireScaledObjectRef {
        .with {
            $0.name = "apus-worker"
            $0.namespace = "apus"
            $0.scalerMetadata = metadata
        }
    }

    static func call(_ desk: GRPCDesk, _ method: String, _ request: some Message) -> GRPCExchange {
        let call = desk.open("/externalscaler.ExternalScaler/\(method)")
        call.send(request)
        call.end()
        return call
    }

    @Test(arguments: [
        ("desiredWorkers", "apus-desired-workers", 1, 3), ("queueTokens", "apus-queue-tokens", 4096, 900),
        ("queueSeconds", "apus-queue-wait-seconds", 2, 1.25), ("kvCacheUsage", "apus-kv-cache-usage", 0.8, 0.5),
        ("sloMisses", "apus-slo-misses", 0.05, 0.25),
    ])
    func `each signal has a metric, a target and a value`(
        signal: String, metric: String, target: Double, value: Double
    ) throws {
        let desk = Self.desk(
            .init(
                isActive: true, desiredWorkers: 3, queueSeconds: 1.25, queueTokens: 900, cacheUsage: 0.5,
                attainment: 0.75))

        let spec = Self.call(desk, "GetMetricSpec", Self.trigger(["signal": signal]))
            .responses(WireGetMetricSpecResponse.self)
        #expect(spec.map { $0.metricSpecs.map(\.metricName) } == [[metric]])
        #expect(spec.first?.metricSpecs.first?.targetSizeFloat == target)
        let values = Self.call(
            desk, "GetMetrics",
            WireGetMetricsRequest.with {
                $0.scaledObjectRef = Self.trigger(["signal": signal])
                $0.metricName = metric
            }
        ).responses(WireGetMetricsResponse.self)
        #expect(values.first?.metricValues.first?.metricName == metric)
        #expect(values.first?.metricValues.first?.metricValueFloat == value)
        #expect(values.first?.metricValues.first?.metricValue == Int64(value.rounded(.up)))
    }

    @Test func `the trigger may say its target`() {
        let desk = Self.desk(.init())
        let spec = Self.call(desk, "GetMetricSpec", Self.trigger(["targetValue": "2.5", "modelName": "tiny"]))
            .responses(WireGetMetricSpecResponse.self)
        #expect(spec.first?.metricSpecs.first?.targetSizeFloat == 2.5)
        #expect(spec.first?.metricSpecs.first?.targetSize == 3)
    }

    @Test(arguments: [
        (["modelName": "no"], GRPCStatusCode.notFound, "modelName is 'no'; this router serves 'a', 'b'."),
        ([:], .invalidArgument, "The trigger's metadata needs modelName, one of 'a', 'b'."),
        (
            ["modelName": "a", "signal": "cpu"], .invalidArgument,
            "signal is 'cpu', but must be one of 'desiredWorkers', 'queueTokens', 'queueSeconds', 'kvCacheUsage', "
                + "'sloMisses'."
        ),
        (
            ["modelName": "a", "targetValue": "0"], .invalidArgument,
            "targetValue is '0', but must be a number of 0.001 to 1e9."
        ),
        (
            ["modelName": "a", "targetValue": "nan"], .invalidArgument,
            "targetValue is 'nan', but must be a number of 0.001 to 1e9."
        ),
    ])
    func `what a trigger has wrong is said by name`(metadata: [String: String], code: GRPCStatusCode, message: String) {
        let desk = Self.desk(models: [.tiny(name: "a"), .tiny(name: "b")], .init())
        for method in ["IsActive", "GetMetricSpec", "StreamIsActive", "StreamMetricSpec"] {
            #expect(Self.call(desk, method, Self.trigger(metadata)).status == GRPCStatus(code, message), "\(method)")
        }
        #expect(desk.open("/externalscaler.ExternalScaler/StreamIsActive").status == nil)
    }

    @Test func `another metric than the trigger's is refused`() {
        let call = Self.call(
            Self.desk(.init()), "GetMetrics",
            WireGetMetricsRequest.with {
                $0.scaledObjectRef = Self.trigger()
                $0.metricName = "cpu"
            })
        #expect(call.status?.code == .invalidArgument)
    }

    @Test func `a stream tells whether there is anything to do, whenever that changes`() {
        let desk = Self.desk(.init())
        let call = desk.open("/externalscaler.ExternalScaler/StreamIsActive")
        call.send(Self.trigger())
        func told() -> [Bool] { call.responses(WireIsActiveResponse.self).map(\.result) }
        #expect(told() == [false])

        for _ in 0..<10 { desk.loop.advanceTime(by: .milliseconds(ExternalScaler.lookMilliseconds)) }
        #expect(told() == [false])
        desk.service.scaling["tiny"]?.isActive = true
        desk.loop.advanceTime(by: .milliseconds(ExternalScaler.lookMilliseconds))
        #expect(told() == [false, true])

        call.exchange.onClientGone?()
        desk.service.scaling["tiny"]?.isActive = false
        desk.loop.advanceTime(by: .seconds(1))
        #expect(told() == [false, true])
    }

    @Test func `streams of a model share one look, and who did not read is told the latest`() {
        let desk = Self.desk(.init())
        let calls = (0..<50).map { index in
            let call = desk.open("/externalscaler.ExternalScaler/StreamIsActive")
            call.send(Self.trigger(index % 2 == 0 ? [:] : ["modelName": "tiny"]))
            return call
        }
        let before = desk.service.scalingLookCount
        desk.loop.advanceTime(by: .milliseconds(10 * ExternalScaler.lookMilliseconds))
        #expect(desk.service.scalingLookCount - before == 2 * 10)

        calls[0].exchange.unsentByteCount = 1
        for isActive in [true, false, true] {
            desk.service.scaling["tiny"]?.isActive = isActive
            desk.loop.advanceTime(by: .milliseconds(ExternalScaler.lookMilliseconds))
        }
        calls[0].exchange.unsentByteCount = 0
        desk.loop.advanceTime(by: .milliseconds(ExternalScaler.lookMilliseconds))
        func told(_ call: GRPCExchange) -> [Bool] { call.responses(WireIsActiveResponse.self).map(\.result) }
        #expect(told(calls[0]) == [false, true])
        #expect(calls.dropFirst().allSatisfy { told($0) == [false, true, false, true] })

        for call in calls { call.exchange.onClientGone?() }
        let after = desk.service.scalingLookCount
        desk.loop.advanceTime(by: .seconds(1))
        #expect(desk.service.scalingLookCount == after)
    }

    @Test func `a stream ends with its model`() {
        let desk = Self.desk(.init())
        let calls = ["StreamIsActive", "StreamMetricSpec"].map { method in
            let call = desk.open("/externalscaler.ExternalScaler/\(method)")
            call.send(Self.trigger(["modelName": "tiny"]))
            return call
        }
        desk.service.scaling = [:]
        desk.loop.advanceTime(by: .milliseconds(ExternalScaler.lookMilliseconds))
        #expect(calls.map { $0.status?.code } == [.notFound, .notFound])
    }

    @Test(arguments: [
        "/externalscaler.ExternalScaler/IsActive", "/externalscaler.ExternalScaler/StreamIsActive",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/inference.GRPCInferenceService/ServerLive",
    ])
    func `what needs no key takes no long messages`(path: String) {
        let call = Self.desk(.init()).open(path)
        var frame = ByteBuffer(bytes: [0])
        frame.writeInteger(UInt32(OpenCallLimits.messageByteCountMax + 1))
        call.exchange.receive?(frame)
        #expect(call.status?.code == .resourceExhausted)
    }

    @Test func `a stream of the metric tells it once`() {
        let desk = Self.desk(.init())
        let call = desk.open("/externalscaler.ExternalScaler/StreamMetricSpec")
        call.send(Self.trigger())
        desk.loop.advanceTime(by: .seconds(1))
        #expect(call.responses(WireGetMetricSpecResponse.self).count == 1)
        #expect(call.status == nil)
    }

    @Test func `garbage and a second message end a stream`() {
        let desk = Self.desk(.init())
        let garbage = desk.open("/externalscaler.ExternalScaler/StreamIsActive")
        garbage.send(bytes: [0xFF, 0xFF])
        #expect(garbage.status?.code == .invalidArgument)
        let second = desk.open("/externalscaler.ExternalScaler/StreamIsActive")
        second.send(Self.trigger())
        second.send(Self.trigger())
        #expect(second.status?.code == .unimplemented)
        desk.loop.advanceTime(by: .seconds(1))
    }
}
