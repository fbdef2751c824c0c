/// Writes samples as Prometheus reads them.
///
/// Source: Prometheus text format 0.0.4; OpenMetrics 1.0.0 (counter families without `_total`, `# EOF` at the end).
struct ExpositionText {
    private var text = ""
    private let openMetrics: Bool
    private let engine: String?

    init(openMetrics: Bool, engine: String? = nil) {
        self.openMetrics = openMetrics
        self.engine = engine
    }

    mutating func begin(_ metric: Metric) {
        let family =
            openMetrics && metric.kind == .counter && metric.name.hasSuffix("_total")
            ? String(metric.name.dropLast(6)) : metric.name
        // OpenMetrics knows no counter without the suffix, which Triton's names lack.
        let isNameless = openMetrics && metric.kind == .counter && !metric.name.hasSuffix("_total")
        let kind = isNameless ? "unknown" : metric.kind.rawValue
        text += "# HELP \(family) \(Self.escapeHelp(metric.help))\n# TYPE \(family) \(kind)\n"
    }

    mutating func sample(_ metric: Metric, _ values: [String], _ value: Double) {
        text += metric.name + labels(metric, values) + " " + Self.number(value) + "\n"
    }

    mutating func histogram(_ metric: Metric, _ values: [String], _ histogram: Histogram.Snapshot) {
        var total = 0
        for (index, count) in histogram.counts.enumerated() {
            total &+= count
            let bound = index < histogram.bounds.count ? Self.number(histogram.bounds[index]) : "+Inf"
            text +=
                "\(metric.name)_bucket\(labels(metric, values, bound: bound)) \(total)"
                + exemplar(histogram, index) + "\n"
        }
        let labels = labels(metric, values)
        text += "\(metric.name)_sum\(labels) \(Self.number(histogram.sum))\n\(metric.name)_count\(labels) \(total)\n"
    }

    /// Of OpenMetrics; the older format has none.
    private func exemplar(_ histogram: Histogram.Snapshot, _ bucket: Int) -> String {
        guard openMetrics, histogram.exemplars.indices.contains(bucket), let exemplar = histogram.exemplars[bucket]
        else {
            return ""
        }
        return " # {trace_id=\"\(exemplar.trace)\"} \(Self.number(exemplar.value))"
    }

    consuming func finish() -> String {
        openMetrics ? text + "# EOF\n" : text
    }

    private func labels(_ metric: Metric, _ values: [String], bound: String? = nil) -> String {
        var pairs = zip(metric.labels, values).map { "\($0)=\"\(Self.escapeLabel($1))\"" }
        if let engine, metric.name.hasPrefix("vllm:") { pairs.append("engine=\"\(Self.escapeLabel(engine))\"") }
        if let bound { pairs.append("le=\"\(bound)\"") }
        guard !pairs.isEmpty else { return "" }
        return "{\(pairs.joined(separator: ","))}"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value) { return String(whole) }
        return String(value)
    }

    private static func escapeHelp(_ text: String) -> String { escape(text, quotes: false) }
    private static func escapeLabel(_ text: String) -> String { escape(text, quotes: true) }

    private static func escape(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
