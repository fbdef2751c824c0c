import Inference

/// What a choice asks of a worker.
struct Demand {
    var id: ChoiceID
    var model: ModelID
    var numericsID: String?
    var promptCount: Int
    var tokenCount: Int
    var place: LinePlace
    var isOnTrial: Bool
    /// When it may run again.
    var triableFrom: Instant?
    var output: OutputDemand
}

extension RequestRecord {
    /// All but what is expected of the output.
    func demand(of id: ChoiceID) -> Demand? {
        guard choices.indices.contains(id.index) else { return nil }
        return Demand(
            id: id, model: model, numericsID: choices[id.index].numericsID,
            promptCount: choices[id.index].promptCount, tokenCount: choices[id.index].tokenCount,
            place: place(of: choices[id.index]), isOnTrial: choices[id.index].isOnTrial,
            triableFrom: choices[id.index].triableFrom,
            output: OutputDemand(expected: 0, made: choices[id.index].outputCount, max: spec.maxTokens))
    }
}
