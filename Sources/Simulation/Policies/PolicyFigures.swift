import Inference
import Scheduling

/// What is counted of requests that come in the measured time.
struct PolicyFigures: Sendable {
    /// One of several who share the cluster.
    private struct Tenant: Sendable {
        var measured = 0
        var good = 0
        /// Tokens by weight: what it asked for, and what of it came before the trace was over.
        var asked = 0.0
        var served = 0.0
    }

    /// The one that asks for most.
    private static let heavy = 0

    private var tenants: [Tenant]
    private var firstTokens = DurationCounts()
    private var lightFirstTokens = DurationCounts()
    private var interTokens = DurationCounts()
    private let outputWeight = SchedulingLimits().outputTokenWeight

    init(tenantCount: Int) { tenants = Array(repeating: Tenant(), count: tenantCount) }

    mutating func asked(_ turn: ArrivalTrace.Turn, promptTokens: Int) {
        tenants[turn.tenant].measured += 1
        tenants[turn.tenant].asked += Double(promptTokens) + outputWeight * Double(turn.outputTokens)
    }

    /// The first tokens of an answer came.
    mutating func began(_ turn: ArrivalTrace.Turn, after seconds: Double) {
        firstTokens.add(seconds)
        if turn.tenant != Self.heavy { lightFirstTokens.add(seconds) }
    }

    mutating func wentOn(after seconds: Double) { interTokens.add(seconds) }

    /// While the trace lasts.
    mutating func served(_ tenant: Int, promptTokens: Int, outputTokens: Int) {
        tenants[tenant].served += Double(promptTokens) + outputWeight * Double(outputTokens)
    }

    mutating func wasGood(_ tenant: Int) { tenants[tenant].good += 1 }

    func write(into result: inout PolicyResult) {
        result.firstTokenP50 = firstTokens.quantile(0.5)
        result.firstTokenP99 = firstTokens.quantile(0.99)
        result.interTokenP99 = interTokens.quantile(0.99)
        result.lightFirstTokenP99 = lightFirstTokens.quantile(0.99)
        let asking = tenants.filter { $0.measured > 0 }
        result.fairness = jainIndex(asking.map { Double($0.good) / Double($0.measured) })
        let light = tenants.indices.filter { $0 != Self.heavy }.map { tenants[$0] }
        let lightCount = light.reduce(0) { $0 + $1.measured }
        result.goodCount = tenants.reduce(0) { $0 + $1.good }
        result.lightGoodPart = lightCount == 0 ? 0 : Double(light.reduce(0) { $0 + $1.good }) / Double(lightCount)
        let fair = maxMinShares(asking.map(\.asked), of: asking.reduce(0) { $0 + $1.served })
        result.servedFairness = jainIndex(zip(asking, fair).map { $1 > 0 ? $0.served / $1 : 1 })
    }
}

/// Divides `total` so that nobody gets more than asked for, and nobody less than another who does not get all.
func maxMinShares(_ asked: [Double], of total: Double) -> [Double] {
    var shares = asked.map { _ in 0.0 }
    var left = total
    let order = asked.indices.sorted { (asked[$0], $0) < (asked[$1], $1) }
    for (place, index) in order.enumerated() {
        shares[index] = min(asked[index], left / Double(order.count - place))
        left -= shares[index]
    }
    return shares
}
