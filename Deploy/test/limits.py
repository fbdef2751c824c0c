#!/usr/bin/env python3
"""Writes Docs/limits.md from the declarations in Sources: every bound with its value and its reason.

    python3 Deploy/test/limits.py            writes it
    python3 Deploy/test/limits.py --check    exits 1 when it is not what the sources say
"""

import ast
import pathlib
import re

from pages import publish

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "Docs/limits.md"

# Title, a sentence, and where: file and type.
SECTIONS = [
    ("Requests", "What clients may ask for. `--max-body-size` and `--resume-window` change two of them.",
     "API/APIOptions.swift", "APIOptions"),
    ("JSON", "Of every request body.", "JSON/JSONParser.swift", "Limits"),
    ("Grammars, schemas and patterns", "Of a request's constraint on its output.", "Grammar/GrammarError.swift",
     "GrammarLimits"),
    ("Chat templates", "Of one rendering.", "Text/Templates/TemplateLimits.swift", "TemplateLimits"),
    ("The queue and the workers", "What the scheduler goes by; `apus router --help` has flags for the first few.",
     "Scheduling/SchedulingLimits.swift", "SchedulingLimits"),
    ("Connections", "Of the public listeners.", "HTTP/HTTPListenerOptions.swift", "HTTPListenerOptions"),
    ("Times of a connection", "", "HTTP/HTTPListenerOptions.swift", "HTTPTimeouts"),
    ("Heads of requests", "", "HTTP/HTTPListenerOptions.swift", "HTTPHeadLimits"),
    ("HTTP/2", "Of a public connection; the link between routers and workers has larger ones.",
     "HTTP/HTTPListenerOptions.swift", "HTTP2Limits"),
    ("Addresses that break HTTP/2's rules", "Of public listeners, over all connections of an address.",
     "HTTP/HTTPListenerOptions.swift", "HTTPOffenderLimits"),
    ("gRPC calls that need no key", "Of health, reflection, KEDA's scaler and the inference service's probes.",
     "HTTP/GRPCMethodLimits.swift", "OpenCallLimits"),
    ("The link", "What routers and workers believe of each other.", "WorkerProtocol/WireLimits.swift", "WireLimits"),
    ("Traces", "Of the queue to the collector.", "Tracing/SpanQueue.swift", "Limits"),
]
# Choices rather than bounds.
LEFT_OUT = {
    "version", "defaultTemperature", "defaultTopP", "defaultTopK", "defaultCompletionTokens", "resumeKey", "tenantHeader",
    "aliases", "servesMetricsPublicly", "traceSampling", "tenantWeights", "timeouts", "http2", "refusalBody",
    "encodedSlashesBelow", "peerSilence", "offenders",
}
DECLARATION = re.compile(r"(?:package )?(?:static let|var) (\w+)(?:: [\w<>?\[\]: ]+)? = (.+)$")


def body(text: str, name: str) -> list[str]:
    """The lines between a type's braces."""
    start = re.search(rf"(?:struct|enum) {name}\b[^\n]*\{{\n", text)
    assert start, f"there is no type {name}"
    indent = len(re.match(r" *", text[: start.end()].rsplit("\n", 2)[1])[0])
    lines = text[start.end():].split("\n")
    return lines[: lines.index(" " * indent + "}")]


def number(text: str) -> float | int | None:
    """A literal, or a shift or difference of such."""
    def value(tree: ast.expr) -> float | int:
        match tree:
            case ast.Constant(value=int() | float() as constant):
                return constant
            case ast.BinOp(left=left, op=ast.LShift(), right=right):
                return value(left) << value(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return value(left) - value(right)
        raise ValueError(text)

    try:
        return value(ast.parse(text.replace("_", "").replace("Int(Int32.max)", "(1 << 31) - 1"), mode="eval").body)
    except (SyntaxError, ValueError):
        return None


def readable(name: str, text: str) -> str:
    if text.endswith("()"):
        return "see below"
    if moment := re.search(r"\.(seconds|milliseconds)\((\d+)\)", text):
        return f"{moment[2]} {'s' if moment[1] == 'seconds' else 'ms'}"
    if bucket := re.search(r"burst: ([\d_]+), perSecond: ([\d_]+)", text):
        return f"{bucket[1]}, then {bucket[2]} a second"
    if span := re.fullmatch(r"([\d.]+)\.\.\.([\d.]+)", text):
        return f"{float(span[1]):g} to {float(span[2]):g}" + (" s" if "Seconds" in name else "")
    value = number(text)
    if value is None:
        return text
    if re.search(r"byte|window|dataMax", name, re.I) and "PerSecond" not in name and isinstance(value, int):
        for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
            if value >= size and value % size == 0:
                return f"{value // size} {unit}"
        return f"{value:,} bytes".replace(",", " ")
    written = f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:g}"
    return written + (" s" if re.search(r"Seconds(Max|Min)?$", name) else "")


def rows(lines: list[str]) -> list[tuple[str, str, str]]:
    """Declarations of the type itself, not of what is inside its functions."""
    indent = len(lines[0]) - len(lines[0].lstrip())
    found, comment = [], []
    for line in lines:
        if len(line) - len(line.lstrip()) != indent:
            continue
        line = line.strip()
        if line.startswith("///"):
            comment.append(line.removeprefix("///").strip())
            continue
        match = DECLARATION.match(line)
        if match and match[1] not in LEFT_OUT:
            found.append((match[1], readable(match[1], match[2]), " ".join(comment)))
        comment = []
    return found


def page() -> str:
    parts = [
        "# Limits\n\n`Deploy/test/limits.py` wrote this page from the sources. Whatever is beyond a limit is refused with a "
        "sentence that names it. A limit without words is of the kind of the one above it, or its name says all.\n"
    ]
    for title, sentence, path, name in SECTIONS:
        table = rows(body((ROOT / "Sources" / path).read_text(), name))
        assert table, f"{name} has no limits"
        parts.append(f"\n## {title}\n\n" + (f"{sentence}\n\n" if sentence else "") + "| limit | value | |\n|---|---|---|\n")
        parts += [f"| `{limit}` | {value} | {words} |\n".replace("|  |", "| |") for limit, value, words in table]
    return "".join(parts)


if __name__ == "__main__":
    publish(PAGE, page())
