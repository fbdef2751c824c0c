/// Settings of traces.
package enum TraceKeys {
    package static let sample = Key<Double>.share(
        "trace-sample",
        "Share of requests that are traced, among those whose caller sends no traceparent; of others the caller decides. "
            + "Without it none is traced.")
    package static let endpoint = Key<String>.text(
        "trace-endpoint",
        "URL of the collector that takes traces by OTLP over HTTP, without the /v1/traces at its end; "
            + "OTEL_EXPORTER_OTLP_ENDPOINT names it too.", "URL")

    package static let names = [sample.name, endpoint.name]
}
