import HTTP
import Inference
import Serving

// How a call's stream gets its ids, and how it goes on where another broke off.
extension APICall {
    /// Where the client's stream broke off, as its `Last-Event-ID` says; nil where it says nothing.
    func resumePoint(of prepared: PreparedGeneration) throws(ResumeError) -> ResumePoint? {
        guard let text = exchange.request.header("last-event-id"), !text.isEmpty else { return nil }
        guard prepared.streams else { throw .notAStream }
        guard let seal = core.resumeSeal else { throw .isOff }
        let point = try seal.open(
            text, binding: ResumeSeal.binding(prepared.binding, tenant: caller.tenant),
            now: core.surroundings.unixSeconds(),
            limitSeconds: core.options.resumeSeconds)
        guard point.choices.count == prepared.choiceCount else { throw .foreign }
        if let numericsID = point.numericsID, !core.service.serves(model: prepared.model.name, numericsID: numericsID) {
            throw .numericsGone(prepared.model.name)
        }
        return point
    }

    /// - Returns: nil where the stream has none.
    func eventIDs(of prepared: PreparedGeneration, _ point: ResumePoint) -> EventIDs? {
        guard prepared.streams, let seal = core.resumeSeal, prepared.choiceCount <= ResumePoint.choiceCountMax,
            point.listedNumericsID.utf8.count <= ResumePoint.nameByteCountMax
        else { return nil }
        return EventIDs(seal, binding: ResumeSeal.binding(prepared.binding, tenant: caller.tenant), point: point)
    }
}

extension PreparedGeneration {
    /// Makes it what it was the first time.
    mutating func resume(_ point: ResumePoint) {
        request.sampling.seed = point.seed
        request.numericsID = point.numericsID
    }

    /// Notes what a stream's ids are bound to.
    mutating func bind(to body: [UInt8], route: StaticString, options: APIOptions) {
        if streams, options.resumeKey != nil { binding = ResumeSeal.binding(route: route, body: body) }
    }
}

extension ResumePoint {
    /// Where a new stream begins.
    init(name: (high: UInt64, low: UInt64), created: Int64, of prepared: PreparedGeneration) {
        self.init(
            name: name, created: created, sentAt: created, seed: prepared.request.sampling.seed,
            listedNumericsID: prepared.model.numericsID ?? "", numericsID: nil, hasUsage: false,
            choices: Array(repeating: ChoiceProgress(), count: prepared.choiceCount))
    }
}
