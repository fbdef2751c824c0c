#!/usr/bin/env python3
"""Writes Docs/metrics.md from the table of metrics in Sources, and the places that count: every name with its kind, unit,
labels, meaning, and the processes that have it.

    python3 Deploy/test/metrics.py            writes it
    python3 Deploy/test/metrics.py --check    exits 1 when it is not what the table says
"""

import pathlib
import re
from typing import NamedTuple

from pages import publish

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "Sources"
TABLE = SOURCES / "Telemetry/MetricTable.swift"
PAGE = ROOT / "Docs/metrics.md"

SECTION = re.compile(r"^    // (?:Router and worker|Router|Worker|Both)(?:: (.+)|\.)$", re.M)
ROW = re.compile(
    r'static let (\w+) = (counter|gauge|histogram)\(\s*"([^"]+)",\s*"([^"]+)"'
    r'(?:,\s*buckets: Buckets\.\w+)?(?:,\s*labels: \[([^\]]*)\])?\s*\)')
# Names carry their unit, but for vLLM's and Triton's. The first that matches counts.
UNITS = [
    (r"_seconds$", "s"), (r"_us$", "µs"), (r"_ms$", "ms"), (r"_(perc|attainment)$", "share, 0 to 1"), (r"_qps$", "1/s"),
    (r"prefix_cache|tokens", "tokens"), (r"_pages$", "pages"),
]
# Who counts what a room counts.
ROOMS = {
    "API": ["router"], "Router": ["router"], "Worker": ["worker"], "Tracing": ["router", "worker"],
    "apus/RouterProcess.swift": ["router"],
}
SERIES = re.compile(r"\.(?:counter|gauge|histogram)\(\s*\.(\w+)")

HEAD = """# Metrics

`Deploy/test/metrics.py` wrote this page from `Sources/Telemetry/MetricTable.swift` and the places that count. Routers tell theirs at port 8002, workers at
8102, both under `/metrics`: as Prometheus' text, or as OpenMetrics with exemplars (the trace of an observation) to whoever
accepts that.

- Names that begin with `vllm:` mean what they mean in vLLM, so that its dashboards and endpoint pickers read them; `nv_` are
  Triton's. `vllm:` series have one label more, `engine`: `router` or `worker`. Both count the same tokens: sum over one of them.
- A counter without a unit counts what its meaning says. A histogram has `_bucket`, `_sum` and `_count`.
- Labels take values from closed sets: names of models that are served, of workers that are linked, of the first hundred
  tenants (the rest are `other`), and words of the code.
- Series that nothing has happened to are at 0 or not there yet.

Dashboards and alerts over them are in [`Deploy/monitoring`](../Deploy/monitoring), what to do about an alert is in
[runbooks.md](runbooks.md).
"""


class Row(NamedTuple):
    key: str
    kind: str
    name: str
    help: str
    labels: list[str]

    @property
    def unit(self) -> str:
        return next((unit for pattern, unit in UNITS if re.search(pattern, self.name)), "")


def sections() -> list[tuple[str, list[Row]]]:
    """What they are about, and the rows."""
    text = TABLE.read_text()
    starts = list(SECTION.finditer(text))
    found = []
    for start, end in zip(starts, [each.start() for each in starts[1:]] + [len(text)]):
        rows = [
            Row(key, kind, name, words, re.findall(r'"(\w+)"', labels or ""))
            for key, kind, name, words, labels in ROW.findall(text[start.end():end])
        ]
        title = (start[1] or "what workers do").rstrip(".").split(". ")[0]
        found.append((title[0].upper() + title[1:], rows))
    read, declared = sum(len(rows) for _, rows in found), text.count(" static let ")
    assert read == declared, f"{read} of {declared} metrics were read"
    return found


def processes() -> dict[str, list[str]]:
    """By a metric's key, the processes that have series of it."""
    found: dict[str, set[str]] = {}
    for file in SOURCES.rglob("*.swift"):
        for room, who in ROOMS.items():
            if file.is_relative_to(SOURCES / room):
                for key in SERIES.findall(file.read_text()):
                    found.setdefault(key, set()).update(who)
    return {key: sorted(who) for key, who in found.items()}


def names(process: str) -> set[str]:
    """What a process of this kind may have."""
    places = processes()
    return {row.name for _, rows in sections() for row in rows if process in places[row.key]}


def page() -> str:
    parts, places = [HEAD], processes()
    for title, rows in sections():
        parts.append(f"\n## {title}\n\n| name | at | kind | unit | labels | |\n|---|---|---|---|---|---|\n")
        for row in rows:
            labels = ", ".join(f"`{label}`" for label in row.labels)
            cells = [f"`{row.name}`", ", ".join(places[row.key]), row.kind, row.unit, labels, row.help]
            parts.append("|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|\n")
    return "".join(parts)


if __name__ == "__main__":
    publish(PAGE, page())
