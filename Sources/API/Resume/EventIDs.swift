import Inference
import NIOCore

/// The ids of one stream's events.
struct EventIDs {
    private let seal: ResumeSeal
    private let binding: [UInt8]
    private var point: ResumePoint
    /// By choice: the numerics id of the worker it runs on, or ran on last.
    private var hosts: [String?]
    /// A stream whose choices run on workers that compute differently cannot be made again by one kind of them.
    private var isOneKind = true

    /// - Parameter point: where the stream is; of a stream that was gone on with, where it was left.
    init(_ seal: ResumeSeal, binding: [UInt8], point: ResumePoint) {
        self.seal = seal
        self.binding = binding
        self.point = point
        hosts = Array(repeating: nil, count: point.choices.count)
    }

    mutating func runs(_ choice: Int, on numericsID: String) {
        guard hosts.indices.contains(choice), hosts[choice] != numericsID else { return }
        hosts[choice] = numericsID
        let kinds = Set(hosts.compactMap(\.self))
        isOneKind = kinds.count == 1 && numericsID.utf8.count <= ResumePoint.nameByteCountMax
        point.numericsID = numericsID
    }

    /// Writes the id of the event that brings the stream as far as `progress` says.
    mutating func write(_ progress: StreamProgress, now: Int64, into buffer: inout ByteBuffer) {
        guard isOneKind else {
            // A client that is told this forgets the id it had, which would bring it back to an earlier place.
            buffer.writeStaticString("id:\n")
            return
        }
        point.choices = progress.choices
        point.hasUsage = progress.hasUsage
        point.sentAt = max(now, point.created)
        seal.write(point, binding: binding, into: &buffer)
        // Not held on to: who counts on would have to copy them.
        point.choices = []
    }
}
