"""Writes Docs/benchmarks.md and Docs/benchmarks.svg from what lies in .bench/results. Measures nothing.

    .bench/venv/bin/python Deploy/bench/report.py
"""

from common import ROOT, load
from models import NAMES, format_of
from peers import CELLS, ENGINES, OPENVINO_FORMATS
from plot import draw

TITLES = {"135m": "SmolLM2-135M", "1.1b": "1.1B of random weights (TinyLlama's shape)"}
PREFILL = next(cell.name for cell in CELLS if cell.is_prefill)
DECODE = next(cell.name for cell in CELLS if not cell.is_prefill and cell.streams == 1)


def main():
    machine = load("machine")
    engines = {name: result for name in NAMES if (result := load(f"engine-{name}"))}
    serving = load("serving")
    lend_openvino(engines)
    parts = [head(machine, engines, serving)]
    if engines:
        parts += [engine_tables(engines), limit_tables(engines)]
        draw(engines, [cell.name for cell in CELLS], list(ENGINES), ROOT / "Docs/benchmarks.svg")
    if serving:
        parts.append(serving_table(serving))
    parts.append(how())
    (ROOT / "Docs/benchmarks.md").write_text("\n".join(parts))


def lend_openvino(engines):
    """OpenVINO quantizes formats that it does not run to 4 bits again: its figure for Q4_0 counts as theirs."""
    for name, result in engines.items():
        lender = engines.get(name.split("-")[0] + "-q4_0")
        if format_of(name) not in OPENVINO_FORMATS and lender:
            result["tokens_per_s"]["OpenVINO"] = lender["tokens_per_s"]["OpenVINO"]


def head(machine, engines, serving):
    results = [*engines.values(), *([serving] if serving else [])]
    dates = sorted({result["date"] for result in results})
    rounds = sorted({result["rounds"] for result in results})
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"""# Benchmarks

`make bench` wrote this page; the commands are at its end.

- Machine: {machine["processor"]}, {machine["cpus"]} CPUs, {machine["memory_gib"]} GiB, {machine["system"]}
- Date: {" to ".join(sorted({dates[0], dates[-1]})) if dates else "-"}
- Versions: {versions}
- Engines run in turn, with as many threads as there are CPUs; medians over {" or ".join(map(str, rounds))} round(s)

All run the same files. llama.cpp runs with and without flash attention, and its better figure counts. OpenVINO GenAI
(continuous batching) runs Q4_0 and Q8_0; it quantizes Q4_1 and Q4_K_M again, so that its figure for Q4_0 stands there, in
parentheses. The ratio is that of Apus to the better of the two. "-" is a peer that did not run a cell.
"""


def engine_tables(engines):
    lines = ["## One process, tokens/s", "", "![tokens/s of each engine](benchmarks.svg)", ""]
    for model, title in TITLES.items():
        files = {name: result for name, result in engines.items() if name.split("-")[0] == model}
        if not files:
            continue
        lines += [f"### {title}", ""] + table_head(["format", "cell", *ENGINES, "ratio"], 2)
        for name, result in files.items():
            rates = result["tokens_per_s"]
            for cell in CELLS:
                texts = [number(rates[engine].get(cell.name)) for engine in ENGINES]
                if format_of(name) not in OPENVINO_FORMATS and texts[-1] != "-":
                    texts[-1] = f"({texts[-1]})"
                lines.append(row([format_of(name), cell.name, *texts, ratio(rates, cell.name)]))
        lines.append("")
    shares = {
        engine: [result["others_share"][engine] for result in engines.values() if engine in result["others_share"]]
        for engine in ENGINES}
    noise = ", ".join(f"{engine} {max(values):.0%}" for engine, values in shares.items() if values)
    return "\n".join(lines + [
        "Decode cells: prompts of 128 tokens, 64 tokens of output for each stream. Processes other than the one measured took, "
        "of the", f"CPUs' time at the worst file: {noise}. Much above 0 %, a figure says less about its engine.", ""])


def ratio(rates, cell):
    theirs = max((rates[engine].get(cell, 0) for engine in rates if engine != "Apus"), default=0)
    return f"{rates['Apus'][cell] / theirs:.2f}" if theirs else "-"


def limit_tables(engines):
    """How near Apus comes to what the machine can do."""
    results = list(engines.values())
    threads = results[0]["threads"]
    limits = [result["limits"] for result in results]
    one = max(limit["read_gb_per_s_1_thread"] for limit in limits)
    read = max(limit["read_gb_per_s"] for limit in limits)
    gops = {isa: max(limit["gops_per_core"][isa] for limit in limits) for isa in limits[0]["gops_per_core"]}
    lines = [
        "## Against the machine's limits", "",
        f"Measured in every round, the best counts: {threads} threads read {read:.1f} GB/s from memory, one {one:.1f}. "
        "Products of bytes on", "registers, a multiply-add being two operations: "
        + ", ".join(f"{rate:.0f} GOPS a core ({isa})" for isa, rate in gops.items()) + ".", "",
        "Decode with 1 stream reads all weights for each token. Prefill multiplies each token with the matrices of all layers;",
        "attention is not counted.", ""]
    if "amx" in gops:
        lines[-1:] = ["Tiles reach their rate with 64 products to a sum; the blocks of GGUF's formats have 32, or 16.", ""]
    lines += table_head(
        ["file", "decode GB/s", "of memory", "prefill GOPS", *(f"of {threads} cores, {isa}" for isa in gops)], 1)
    for name, result in engines.items():
        rates = result["tokens_per_s"]["Apus"]
        bandwidth = result["weight_bytes"] * rates[DECODE] / 1e9
        products = 2 * result["layer_parameters"] * rates[PREFILL] / 1e9
        lines.append(row([
            name, f"{bandwidth:.1f}", f"{bandwidth / read:.0%}", f"{products:.0f}",
            *(f"{products / (threads * rate):.0%}" for rate in gops.values())]))
    return "\n".join(lines + [""])


def serving_table(serving):
    rows = {(line["server"], line["streams"]): line for line in serving["rows"]}
    streams = sorted({line["streams"] for line in serving["rows"]})
    lines = [
        "## Over HTTP", "",
        f"`apus serve --workers 1` and `llama-server --parallel 32` with {serving['model']}, {serving['threads']} threads "
        "each; the load", "generator shares the machine with them. Streams of 128 + 64 tokens; each pair is Apus / llama.cpp.",
        ""] + table_head(["streams", "tokens/s", "ratio", "first token p99 ms", "between tokens p99 ms"], 0)
    for count in streams:
        pair = [rows.get((server, count)) for server in ("Apus", "llama.cpp")]

        def both(key):
            return " / ".join(number(line and line[key]) for line in pair)

        quotient = f"{pair[0]['tokens_per_s'] / pair[1]['tokens_per_s']:.2f}" if all(pair) else "-"
        lines.append(row([count, both("tokens_per_s"), quotient, both("ttft_p99_ms"), both("itl_p99_ms")]))
    return "\n".join(lines + [""])


def how():
    return """## Commands

```
make bench                                             # everything: an hour or more on 2 cores
make bench BENCH_ROUNDS=1 BENCH_MODELS="135m-q4_0"     # a part; the rest of this page stays as last measured
.bench/venv/bin/python Deploy/bench/report.py          # this page again, from .bench/results
apus bench --engine FILE.gguf --threads 2 --concurrency 8 --prompt-tokens 128 --output-tokens 64
apus bench --limits
```

135m-q4_1 is SmolLM2-135M-Instruct as published; its other formats were quantized again from that, which changes its words
and not its speed. `Deploy/bench/models.py` makes the models, `Deploy/bench/peers.py` says how each engine is called.
"""


def number(value):
    """Three digits are what such figures are good for."""
    return "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def row(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table_head(names, texts):
    """@param texts: so many columns, the first ones, hold words."""
    return [row(names), "|" + "---|" * texts + "---:|" * (len(names) - texts)]


if __name__ == "__main__":
    main()
