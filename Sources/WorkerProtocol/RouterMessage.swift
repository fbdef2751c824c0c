package import Inference

/// Who dials, and what it speaks. The first message on a link.
package struct RouterHello: Equatable, Sendable {
    package var versions: ClosedRange<UInt32>
    /// Equal for all links of one router; 1 to 128 bytes.
    package var router: String
    /// Grows from link to link of one router.
    package var epoch: UInt64

    package init(versions: ClosedRange<UInt32> = ProtocolVersion.supported, router: String, epoch: UInt64) {
        self.versions = versions
        self.router = router
        self.epoch = epoch
    }

    package static let routerByteMax = 128
}

/// What a router says on a link, as a value.
package enum RouterMessage: Equatable, Sendable {
    case hello(RouterHello)
    case command(WorkerCommand)

    /// - Throws: for whatever breaks a rule of worker.proto. Values that pass are safe to hand to an engine, which
    ///   checks them against its model.
    package init(bytes: RawSpan) throws(WireError) {
        switch try WireRouterMessage.decoded(from: bytes).message {
        case .hello(let hello): self = .hello(try RouterHello(hello))
        case .admit(let admit): self = .command(.admit(try AdmittedSequence(admit)))
        case .cancel(let cancel): self = .command(.cancel(SequenceID(cancel.sequence)))
        case .preempt(let preempt): self = .command(.preempt(SequenceID(preempt.sequence)))
        case .drain(let drain):
            guard (0...86_400).contains(drain.deadlineSeconds) else {
                throw .outOfRange(
                    field: "drain.deadline_seconds", value: String(drain.deadlineSeconds), allowed: "from 0 to 86400")
            }
            self = .command(.drain(deadlineSeconds: drain.deadlineSeconds))
        case nil: throw .unknownCommand
        }
    }

    package var bytes: [UInt8] {
        var wire = WireRouterMessage()
        switch self {
        case .hello(let hello): wire.hello = hello.wire
        case .command(.admit(let sequence)):
            var writer = WireWriter(capacity: sequence.wireByteCount)
            writer.write(2) { sequence.write(into: &$0) }
            return writer.bytes
        case .command(.cancel(let id)): wire.cancel.sequence = id.rawValue
        case .command(.preempt(let id)): wire.preempt.sequence = id.rawValue
        case .command(.drain(let seconds)): wire.drain.deadlineSeconds = seconds
        }
        return wire.encoded()
    }
}

extension RouterHello {
    init(_ wire: WireHello) throws(WireError) {
        guard wire.versionMin >= 1, wire.versionMin <= wire.versionMax else {
            throw .outOfRange(
                field: "hello.version_min", value: String(wire.versionMin),
                allowed: "from 1 to version_max, which is \(wire.versionMax)")
        }
        versions = wire.versionMin...wire.versionMax
        router = try FieldChecks.name("hello.router", wire.router, byteMax: Self.routerByteMax)
        epoch = wire.epoch
    }

    var wire: WireHello {
        var wire = WireHello()
        wire.versionMin = versions.lowerBound
        wire.versionMax = versions.upperBound
        wire.router = router
        wire.epoch = epoch
        return wire
    }
}
