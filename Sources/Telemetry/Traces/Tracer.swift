package import Inference

/// Who is told of spans that have ended. Confined to one event loop; never blocks and never refuses.
package protocol SpanReceiver: AnyObject {
    func spanEnded(_ span: Span)
}

/// What makes spans of one process: names for them, and where they go. Confined to the event loop of its receiver.
package struct Tracer {
    package let receiver: any SpanReceiver
    private let randomWord: () -> UInt64

    /// - Parameter randomWord: chance, of which span's names are made.
    package init(_ receiver: any SpanReceiver, randomWord: @escaping () -> UInt64) {
        self.receiver = receiver
        self.randomWord = randomWord
    }

    package func freshSpanID() -> SpanID { Self.freshSpanID(randomWord) }

    /// A place for a span below `parent`, in the same trace.
    package func child(of parent: TraceContext) -> TraceContext {
        var child = parent
        child.spanID = freshSpanID()
        return child
    }

    static func freshSpanID(_ randomWord: () -> UInt64) -> SpanID {
        // One of 2^64 words names nothing.
        while true { if let id = SpanID(randomWord()) { return id } }
    }
}

/// Which requests are traced: those whose caller says so, and a share of those whose caller says nothing.
package struct TraceSampling: Equatable, Sendable {
    /// 0 to 1.
    package var share: Double

    package init(share: Double) { self.share = share }

    /// Begins a request's root span.
    /// - Parameter caller: the span that the caller sent; nil begins a trace.
    /// - Returns: the root span's place, sampled or not, and its parent.
    package func begin(
        caller: TraceContext?, randomWord: () -> UInt64
    ) -> (context: TraceContext, parentID: SpanID?) {
        let spanID = Tracer.freshSpanID(randomWord)
        if var context = caller {
            context.spanID = spanID
            return (context, caller?.spanID)
        }
        while true {
            let (high, low) = (randomWord(), randomWord())
            guard let traceID = TraceID(high: high, low: low) else { continue }
            // By the trace's random part, as OpenTelemetry's TraceIdRatioBased does: who decides by the same share
            // decides alike.
            let isSampled = Double(low >> 1) < share * 0x1p63
            return (TraceContext(traceID: traceID, spanID: spanID, isSampled: isSampled), nil)
        }
    }
}
