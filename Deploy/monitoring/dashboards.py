#!/usr/bin/env python3
"""Writes dashboards/*.json for Grafana from the tables below.

    python3 Deploy/monitoring/dashboards.py            writes them
    python3 Deploy/monitoring/dashboards.py --check    exits 1 when one is not what the tables say
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "dashboards"
ROUTER = 'model_name=~"$model",engine="router"'
WORKER = 'model_name=~"$model",engine="worker"'
OURS = 'model_name=~"$model"'
TENANT = 'tenant=~"$tenant"'
# OpenMetrics writes 1.0 where the older format has 1.
WITHIN_SECOND = TENANT + ',le=~"1(.0)?"'


def rate(metric: str, labels: str, by: str = "model_name") -> str:
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def quantile(share: float, metric: str, labels: str) -> str:
    return f"histogram_quantile({share}, {rate(metric + '_bucket', labels, 'model_name, le')})"


def quantiles(metric: str, labels: str) -> list[tuple[str, str]]:
    return [(quantile(share, metric, labels), f"{{{{model_name}}}} p{share * 100:g}") for share in (0.5, 0.9, 0.99)]


# Title, unit, and queries with their legends.
DASHBOARDS = {
    "router": ("Apus: router", [
        ("Requests accepted", "reqps", [(rate("vllm:num_incoming_requests_total", ROUTER), "{{model_name}}")]),
        ("Choices ended", "reqps", [
            (rate("vllm:request_success_total", ROUTER, "model_name, finished_reason"), "{{model_name}} {{finished_reason}}"),
        ]),
        ("Refused and failed", "reqps", [
            ("sum by (reason) (rate(apus_requests_rejected_total[$__rate_interval]))", "refused: {{reason}}"),
            ("sum by (reason) (rate(apus_requests_failed_total[$__rate_interval]))", "failed: {{reason}}"),
        ]),
        ("Running and waiting", "short", [
            (f"sum by (model_name) (vllm:num_requests_running{{{ROUTER}}})", "{{model_name}} running"),
            (f"sum by (model_name) (vllm:num_requests_waiting{{{ROUTER}}})", "{{model_name}} waiting"),
        ]),
        ("Wait", "s", [
            (f"max by (model_name) (apus_queue_wait_seconds{{{OURS}}})", "{{model_name}} expected"),
            (f"max by (model_name) (apus_queue_oldest_seconds{{{OURS}}})", "{{model_name}} oldest"),
        ]),
        ("Tokens", "short", [
            (rate("vllm:prompt_tokens_total", ROUTER), "{{model_name}} prompt"),
            (rate("vllm:generation_tokens_total", ROUTER), "{{model_name}} output"),
        ]),
        ("Prompt tokens found in caches", "percentunit", [
            (f"{rate('vllm:prefix_cache_hits_total', ROUTER)} / {rate('vllm:prefix_cache_queries_total', ROUTER)}",
             "{{model_name}}"),
        ]),
        ("Workers by state", "short", [("max by (state) (apus_workers)", "{{state}}")]),
        ("Workers wanted", "short", [
            (f"max by (model_name) (apus_desired_workers{{{OURS}}})", "{{model_name}} wanted"),
            ('max(apus_workers{state="ready"})', "ready, of all models"),
        ]),
        ("Sequences moved", "short", [
            ("sum by (cause) (increase(apus_sequence_moves_total[$__rate_interval]))", "{{cause}}"),
        ]),
        ("HTTP by route and status", "reqps", [
            ("sum by (route, status) (rate(apus_http_requests_total[$__rate_interval]))", "{{route}} {{status}}"),
        ]),
        ("Client connections", "short", [("sum(apus_http_connections)", "open")]),
    ]),
    "slo": ("Apus: objectives", [
        ("Attainment, five minutes", "percentunit", [
            (f"min by (model_name) (apus_slo_attainment{{{OURS}}})", "{{model_name}}"),
        ]),
        ("Budget burnt, times the rate of 1 %", "short", [
            (f'sum by (model_name) (rate(apus_slo_requests_total{{{OURS},met="false"}}[{window}])) '
             f"/ sum by (model_name) (rate(apus_slo_requests_total{{{OURS}}}[{window}])) / 0.01",
             "{{model_name}} " + window) for window in ("5m", "1h", "6h")
        ]),
        ("First token", "s", quantiles("vllm:time_to_first_token_seconds", ROUTER)),
        ("Between tokens", "s", quantiles("vllm:inter_token_latency_seconds", ROUTER)),
        ("In the queue", "s", quantiles("vllm:request_queue_time_seconds", ROUTER)),
        ("Prefill", "s", quantiles("vllm:request_prefill_time_seconds", ROUTER)),
        ("Whole answer", "s", quantiles("vllm:e2e_request_latency_seconds", ROUTER)),
        ("Prompt and output lengths, p90", "short", [
            (quantile(0.9, "vllm:request_prompt_tokens", ROUTER), "{{model_name}} prompt"),
            (quantile(0.9, "vllm:request_generation_tokens", ROUTER), "{{model_name}} output"),
        ]),
    ]),
    "tenants": ("Apus: tenants", [
        ("Requests accepted", "reqps", [(rate("apus_tenant_requests_total", TENANT, "tenant"), "{{tenant}}")]),
        ("Output tokens", "short", [
            (rate("apus_tenant_tokens_total", f'{TENANT},kind="output"', "tenant"), "{{tenant}}"),
        ]),
        ("Prompt tokens", "short", [
            (rate("apus_tenant_tokens_total", f'{TENANT},kind="prompt"', "tenant"), "{{tenant}}"),
        ]),
        ("Share of all tokens", "percentunit", [
            (f"{rate('apus_tenant_tokens_total', TENANT, 'tenant')} "
             "/ on () group_left () sum(rate(apus_tenant_tokens_total[$__rate_interval]))", "{{tenant}}"),
        ]),
        ("Refused: queue or limit", "reqps", [
            (rate("apus_tenant_refused_total", TENANT, "tenant, reason"), "{{tenant}} {{reason}}"),
        ]),
        ("In the queue, mean", "s", [
            (f"{rate('apus_tenant_queue_seconds_sum', TENANT, 'tenant')} / "
             f"{rate('apus_tenant_queue_seconds_count', TENANT, 'tenant')}", "{{tenant}}"),
        ]),
        ("Waited more than a second", "percentunit", [
            (f"1 - {rate('apus_tenant_queue_seconds_bucket', WITHIN_SECOND, 'tenant')} / "
             f"{rate('apus_tenant_queue_seconds_count', TENANT, 'tenant')}", "{{tenant}}"),
        ]),
    ]),
    "workers": ("Apus: workers", [
        ("Batch slots", "short", [
            (f"sum by (instance, state) (apus_batch_slots{{{OURS}}})", "{{instance}} {{state}}"),
        ]),
        ("KV pages in use", "percentunit", [
            (f"max by (instance) (vllm:kv_cache_usage_perc{{{WORKER}}})", "{{instance}}"),
        ]),
        ("Step time, p50 and p99", "s", [
            (f"histogram_quantile({share}, {rate('apus_step_duration_seconds_bucket', OURS, 'instance, le')})",
             "{{instance}} " + name) for share, name in ((0.5, "p50"), (0.99, "p99"))
        ]),
        ("Steps", "short", [(rate("apus_steps_total", OURS, "instance"), "{{instance}}")]),
        ("Tokens in a step, p50", "short", [
            (f"histogram_quantile(0.5, {rate('vllm:iteration_tokens_total_bucket', WORKER, 'instance, le')})",
             "{{instance}}"),
        ]),
        ("Tokens", "short", [
            (rate("vllm:prompt_tokens_total", WORKER, "instance"), "{{instance}} prompt"),
            (rate("vllm:generation_tokens_total", WORKER, "instance"), "{{instance}} output"),
        ]),
        ("Drafts accepted", "percentunit", [
            (f"{rate('vllm:spec_decode_num_accepted_tokens_total', WORKER, 'instance')} / "
             f"{rate('vllm:spec_decode_num_draft_tokens_total', WORKER, 'instance')}", "{{instance}}"),
        ]),
        ("Preempted", "short", [
            (f"sum by (instance) (increase(vllm:num_preemptions_total{{{WORKER}}}[$__rate_interval]))", "{{instance}}"),
        ]),
        ("Routers linked", "short", [("apus_connected_routers", "{{instance}}")]),
    ]),
}

# What each dashboard can be narrowed to: name, label, and the query that lists the values.
MODEL_VARIABLE = ("model", "Model", "label_values(vllm:num_requests_running, model_name)")
VARIABLES = {"tenants": ("tenant", "Tenant", "label_values(apus_tenant_requests_total, tenant)")}

SOURCE = {"type": "prometheus", "uid": "${source}"}


def panel(number: int, title: str, unit: str, queries: list[tuple[str, str]]) -> dict:
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "gridPos": {"x": number % 3 * 8, "y": number // 3 * 8, "w": 8, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(queries)
        ],
    }


def dashboard(name: str) -> dict:
    title, panels = DASHBOARDS[name]
    variable, label, values = VARIABLES.get(name, MODEL_VARIABLE)
    return {
        "uid": f"apus-{name}",
        "title": title,
        "tags": ["apus"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [
            {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
            {"name": variable, "label": label, "type": "query", "datasource": SOURCE, "refresh": 2, "multi": True,
             "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "query": values},
        ]},
        "panels": [panel(number, *each) for number, each in enumerate(panels)],
    }


def main() -> None:
    for name in DASHBOARDS:
        file, text = FOLDER / f"{name}.json", json.dumps(dashboard(name), indent=1) + "\n"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            sys.exit(f"{file} is not what dashboards.py writes; run it")


if __name__ == "__main__":
    main()
