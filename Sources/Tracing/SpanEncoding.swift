import Inference
import Telemetry

/// Who the spans of a process are from. Source: OpenTelemetry's semantic conventions for resources.
package struct SpanResource: Sendable {
    package var service: String
    package var version: String
    /// Tells processes of one service apart.
    package var instance: String
    package var processID: Int

    package init(service: String, version: String, instance: String, processID: Int) {
        self.service = service
        self.version = version
        self.instance = instance
        self.processID = processID
    }
}

/// Spans as the body of an OTLP request, `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`: field numbers
/// are those of its .proto files, version 1.
enum SpanEncoding {
    /// - Parameter wallOffset: nanoseconds that a wall clock is ahead of the clock of the spans' times.
    static func request(_ spans: [Span], from resource: SpanResource, wallOffset: Int64) -> [UInt8] {
        var resourceSpans = ProtobufWriter()
        resourceSpans.write(1, message: encode(resource))
        var scopeSpans = ProtobufWriter()
        var scope = ProtobufWriter()
        scope.write(1, "apus")
        scope.write(2, resource.version)
        scopeSpans.write(1, message: scope)
        for span in spans { scopeSpans.write(2, message: encode(span, wallOffset)) }
        resourceSpans.write(2, message: scopeSpans)
        var request = ProtobufWriter()
        request.write(1, message: resourceSpans)
        return request.bytes
    }

    private static func encode(_ resource: SpanResource) -> ProtobufWriter {
        var writer = ProtobufWriter()
        writer.write(1, message: attribute("service.name", .text(resource.service)))
        writer.write(1, message: attribute("service.version", .text(resource.version)))
        writer.write(1, message: attribute("service.instance.id", .text(resource.instance)))
        writer.write(1, message: attribute("process.pid", .integer(resource.processID)))
        return writer
    }

    private static func encode(_ span: Span, _ wallOffset: Int64) -> ProtobufWriter {
        var writer = ProtobufWriter()
        writer.write(1, words: [span.context.traceID.high, span.context.traceID.low])
        writer.write(2, words: [span.context.spanID.rawValue])
        if !span.context.state.isEmpty { writer.write(3, span.context.state) }
        if let parent = span.parentID { writer.write(4, words: [parent.rawValue]) }
        writer.write(5, span.name)
        writer.write(6, span.kind.rawValue)
        writer.write(7, fixed: wall(span.startedAt, wallOffset))
        writer.write(8, fixed: wall(max(span.startedAt, span.endedAt), wallOffset))
        for (key, value) in span.attributes { writer.write(9, message: attribute(key.rawValue, value)) }
        if case .failed(let why) = span.status {
            var status = ProtobufWriter()
            status.write(2, why)
            status.write(3, 2)
            writer.write(15, message: status)
        }
        return writer
    }

    private static func wall(_ instant: Instant, _ offset: Int64) -> UInt64 {
        UInt64(clamping: instant.nanoseconds.addingReportingOverflow(offset).partialValue)
    }

    private static func attribute(_ key: String, _ value: Span.Value) -> ProtobufWriter {
        var writer = ProtobufWriter()
        writer.write(1, key)
        writer.write(2, message: encode(value))
        return writer
    }

    private static func encode(_ value: Span.Value) -> ProtobufWriter {
        var writer = ProtobufWriter()
        switch value {
        case .text(let text): writer.write(1, text)
        case .flag(let flag): writer.write(2, flag ? 1 : 0)
        case .integer(let number): writer.write(3, UInt64(bitPattern: Int64(number)))
        case .number(let number): writer.write(4, fixed: number.bitPattern)
        case .texts(let texts):
            var list = ProtobufWriter()
            for text in texts { list.write(1, message: encode(.text(text))) }
            writer.write(5, message: list)
        }
        return writer
    }
}

/// Fields of a message in protocol buffers' encoding, each written even when it is 0: within a `oneof` it means something.
/// Source: protobuf.dev, Encoding.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ field: UInt64, _ value: UInt64) {
        varint(field << 3)
        varint(value)
    }

    mutating func write(_ field: UInt64, fixed value: UInt64) {
        varint(field << 3 | 1)
        for place in 0..<8 as Range<UInt64> { bytes.append(UInt8(truncatingIfNeeded: value >> (place * 8))) }
    }

    mutating func write(_ field: UInt64, _ text: String) {
        write(field, text.utf8)
    }

    mutating func write(_ field: UInt64, message: ProtobufWriter) {
        write(field, message.bytes)
    }

    /// Bytes of words, the highest first.
    mutating func write(_ field: UInt64, words: [UInt64]) {
        write(
            field,
            words.flatMap { word in (0..<8 as Range<UInt64>).map { UInt8(truncatingIfNeeded: word >> (56 - $0 * 8)) } })
    }

    private mutating func write(_ field: UInt64, _ content: some Collection<UInt8>) {
        varint(field << 3 | 2)
        varint(UInt64(content.count))
        bytes += content
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
