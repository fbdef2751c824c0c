/// A metric as data: what it is called, what it counts, which labels tell its series apart.
///
/// Names carry their unit (`_seconds`, `_bytes`, `_tokens`); counters end in `_total`. Labels take values from closed
/// sets only, so that the number of series is bounded.
package struct Metric: Sendable {
    package enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    package let name: String
    package let kind: Kind
    package let help: String
    /// Label names; values are given in this order when a series is asked for.
    package let labels: [String]
    /// Upper bounds of a histogram's buckets, ascending, without +Inf. Empty for other kinds.
    package let buckets: [Double]

    static func counter(_ name: String, _ help: String, labels: [String] = []) -> Metric {
        Metric(name: name, kind: .counter, help: help, labels: labels, buckets: [])
    }

    static func gauge(_ name: String, _ help: String, labels: [String] = []) -> Metric {
        Metric(name: name, kind: .gauge, help: help, labels: labels, buckets: [])
    }

    static func histogram(_ name: String, _ help: String, buckets: [Double], labels: [String] = []) -> Metric {
        Metric(name: name, kind: .histogram, help: help, labels: labels, buckets: buckets)
    }
}
