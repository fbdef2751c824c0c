/// Workers of a model, as they are compared with each other.
///
/// What a step should take is learned from the faster half of them, so that slow ones do not teach what is usual. Where
/// none of those made a step as large, it is no less than half of what the proportions of smaller ones allow.
struct PacePeers: Sendable {
    /// Of each worker: the steps that it is known by.
    private let steps: [[StepPace.Size]]
    private let cost: StepCostFit?

    /// - Parameter most: about so many are looked at.
    init(_ all: [StepPace], max most: Int) {
        let stride = max(1, all.count / most)
        let paces = Swift.stride(from: 0, to: all.count, by: stride).map { all[$0] }
        let steps = paces.map { [$0.mean] + $0.latest }
        self.steps = steps
        guard paces.count > 1 else {
            cost = nil
            return
        }
        let slowness = paces.map { pace in pace.mean.seconds / max(1e-9, Self.most(pace.mean, among: steps)) }
        let faster = paces.indices.sorted { (slowness[$0], $0) < (slowness[$1], $1) }.prefix((paces.count + 1) / 2)
        cost = StepCostFit(faster.flatMap { steps[$0].dropFirst() })
    }

    /// Seconds that a step takes, by what steps cost lately; nil where there is nobody to compare with.
    func usualSeconds(for step: StepPace.Size) -> Double? {
        guard steps.count > 1 else { return nil }
        guard let cost else { return Self.most(step, among: steps) }
        let seconds = cost.seconds(for: step)
        return cost.hasSeen(step) ? seconds : max(seconds, Self.most(step, among: steps) / 2)
    }

    /// At the median of what each would take at most, by that of its steps which is most like it.
    private static func most(_ step: StepPace.Size, among steps: [[StepPace.Size]]) -> Double {
        let most = steps.map { $0.reduce(.infinity) { min($0, $1.seconds(for: step)) } }.sorted()
        return most[(most.count - 1) / 2]
    }
}
