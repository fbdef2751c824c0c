package import Inference
import Synchronization

/// The metrics of one process: hands out series and writes them all down.
///
/// Series are found once and kept by who counts; counting takes no lock (counters, gauges) or a short one (histograms).
package final class MetricRegistry: Sendable {
    private enum Series {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
    }

    private struct Family {
        var metric: Metric
        /// By label values, in order of first use.
        var series: [(values: [String], series: Series)] = []
    }

    private let families = Mutex<[Family]>([])

    private let engine: String?

    /// Who may be a value of the label `tenant`.
    package let tenants = TenantNames()

    /// - Parameter engine: value of the label `engine` on every `vllm:` series. Routers and workers count the same tokens:
    ///   who sums over both must be able to tell them apart.
    package init(engine: String? = nil) { self.engine = engine }

    /// The series of `metric` with these label values, made on first use.
    package func counter(_ metric: Metric, labels: [String] = []) -> Counter {
        series(metric, labels) {
            if case .counter(let counter) = $0 { counter } else { nil }
        } make: {
            let counter = Counter()
            return (.counter(counter), counter)
        }
    }

    package func gauge(_ metric: Metric, labels: [String] = []) -> Gauge {
        series(metric, labels) {
            if case .gauge(let gauge) = $0 { gauge } else { nil }
        } make: {
            let gauge = Gauge()
            return (.gauge(gauge), gauge)
        }
    }

    package func histogram(_ metric: Metric, labels: [String] = []) -> Histogram {
        series(metric, labels) {
            if case .histogram(let histogram) = $0 { histogram } else { nil }
        } make: {
            let histogram = Histogram(bounds: metric.buckets)
            return (.histogram(histogram), histogram)
        }
    }

    /// Forgets one series: what it was about is gone, and its label values may never come back.
    package func remove(_ metric: Metric, labels: [String]) {
        families.withLock { families in
            guard let at = families.firstIndex(where: { $0.metric.name == metric.name }) else { return }
            families[at].series.removeAll { $0.values == labels }
        }
    }

    private func series<Kind>(
        _ metric: Metric, _ values: [String], find: (Series) -> Kind?, make: () -> (Series, Kind)
    ) -> Kind {
        precondition(
            values.count == metric.labels.count, "\(metric.name) has labels \(metric.labels), was given \(values)")
        return families.withLock { families in
            let at: Int
            if let known = families.firstIndex(where: { $0.metric.name == metric.name }) {
                at = known
            } else {
                at = families.count
                families.append(Family(metric: metric))
            }
            if let known = families[at].series.first(where: { $0.values == values }), let found = find(known.series) {
                return found
            }
            let (series, made) = make()
            families[at].series.append((values, series))
            return made
        }
    }

    /// All series in Prometheus' text format 0.0.4, or in OpenMetrics 1.0.0.
    package func render(openMetrics: Bool = false) -> String {
        families.withLock { families in
            var text = ExpositionText(openMetrics: openMetrics, engine: engine)
            for family in families.sorted(by: { $0.metric.name < $1.metric.name }) {
                text.begin(family.metric)
                for (values, series) in family.series {
                    switch series {
                    case .counter(let counter): text.sample(family.metric, values, Double(counter.value))
                    case .gauge(let gauge): text.sample(family.metric, values, gauge.value)
                    case .histogram(let histogram): text.histogram(family.metric, values, histogram.snapshot())
                    }
                }
            }
            return text.finish()
        }
    }

    /// What a scraper that sends this Accept header is answered with.
    package static func contentType(openMetrics: Bool) -> String {
        openMetrics
            ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8"
    }
}

/// Counts up.
package final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    package func add(_ amount: Int = 1) { count.wrappingAdd(amount, ordering: .relaxed) }
    package var value: Int { count.load(ordering: .relaxed) }
}

/// Holds the last value set.
package final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)

    package func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// Counts observations by size.
package final class Histogram: Sendable {
    struct Snapshot: Sendable {
        var bounds: [Double]
        /// One more than `bounds`: the last is everything above.
        var counts: [Int]
        var sum: Double
        /// By bucket, or empty: none has one.
        var exemplars: [Exemplar?]
    }

    /// One observation of a bucket, and the trace where more is said about it.
    struct Exemplar: Equatable, Sendable {
        var value: Double
        var trace: TraceID
    }

    private struct State {
        var counts: [Int]
        var sum = 0.0
        var exemplars: [Exemplar?] = []
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    /// - Parameters:
    ///   - count: how many observations of this value to count at once.
    ///   - trace: what the value is from; nil where nobody traces it. The bucket remembers the last one.
    package func observe(_ value: Double, count: Int = 1, trace: TraceID? = nil) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] &+= count
            state.sum += value * Double(count)
            guard let trace else { return }
            if state.exemplars.isEmpty { state.exemplars = Array(repeating: nil, count: state.counts.count) }
            state.exemplars[bucket] = Exemplar(value: value, trace: trace)
        }
    }

    func snapshot() -> Snapshot {
        state.withLock { Snapshot(bounds: bounds, counts: $0.counts, sum: $0.sum, exemplars: $0.exemplars) }
    }
}
