"""Writes Docs/benchmarks.md and Docs/benchmarks.svg from what lies in .bench/results. Measures nothing.

    .bench/venv/bin/python Deploy/bench/report.py
"""

from common import ROOT, load
from models import NAMES, format_of
from peers import CELLS, ENGINES, OPENVINO_FORMATS
from plot import draw
from report_text import number, paragraph, table

PAGE, PICTURE = ROOT / "Docs/benchmarks.md", ROOT / "Docs/benchmarks.svg"
TITLES = {"135m": "SmolLM2-135M", "1.1b": "1.1B of random weights (TinyLlama's shape)"}
PREFILL = next(cell.name for cell in CELLS if cell.is_prefill)
DECODE = next(cell.name for cell in CELLS if not cell.is_prefill and cell.streams == 1)
HOW = """## Commands

```
make bench                                             # everything: an hour or more on 2 cores
make bench BENCH_ROUNDS=1 BENCH_MODELS="135m-q4_0"     # a part; other files stay as last measured
.bench/venv/bin/python Deploy/bench/report.py          # this page again, from .bench/results
apus bench --engine FILE.gguf --threads 2 --concurrency 8 --prompt-tokens 128 --output-tokens 64
apus bench --limits
apus bench --steps --concurrency 64 --temperature 0.8
```

135m-q4_1 is SmolLM2-135M-Instruct as published; its other formats were quantized again from that, which changes its
words and not its speed. `Deploy/bench/models.py` makes the models, `Deploy/bench/peers.py` says how engines are called.
"""


def main():
    engines = {name: result for name in NAMES if (result := load(f"engine-{name}"))}
    serving = load("serving")
    lend_openvino(engines)
    parts = head(load("machine"), [*engines.values(), *([serving] if serving else [])])
    if engines:
        parts += engine_tables(engines) + limits_table(engines)
        draw(engines, [cell.name for cell in CELLS], list(ENGINES), PICTURE)
    if contexts := load("contexts"):
        parts += contexts_table(contexts)
    if steps := load("steps"):
        parts += steps_table(steps)
    if serving:
        parts += serving_table(serving)
    if speculation := load("speculation"):
        parts += speculation_table(speculation)
    PAGE.write_text("\n\n".join([*parts, HOW]))
    print(f"{PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)} are written")


def lend_openvino(engines):
    """OpenVINO quantizes formats that it does not run again: its figure for Q4_0 counts as theirs."""
    for name, result in engines.items():
        lender = engines.get(name.split("-")[0] + "-q4_0")
        if format_of(name) not in OPENVINO_FORMATS and lender:
            result["tokens_per_s"]["OpenVINO"] = lender["tokens_per_s"]["OpenVINO"]


def head(machine, results):
    dates = sorted({result["date"] for result in results})
    rounds = sorted({result["rounds"] for result in results})
    return [
        "# Benchmarks",
        "`make bench` wrote this page; the commands are at its end.",
        "\n".join([
            f"- Machine: {machine['processor']}, {machine['cpus']} CPUs, {machine['memory_gib']} GiB,"
            f" {machine['system']}",
            f"- Date: {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}",
            "- Versions: " + ", ".join(f"{name} {version}" for name, version in machine["versions"].items()),
            f"- Engines in turn, a thread for each CPU; medians of {' or '.join(map(str, rounds))} round(s)"]),
        paragraph("""
            All run the same files. llama.cpp runs with and without flash attention, and its better figure counts.
            OpenVINO GenAI (continuous batching) runs Q4_0 and Q8_0; it quantizes Q4_1 and Q4_K_M again, so its figure
            for Q4_0 stands there, in parentheses. The ratio is that of Apus to the better of the two. "-" is a cell
            that a peer did not run.""")]


def engine_tables(engines):
    parts = ["## One process, tokens/s", f"![Tokens/s of each engine]({PICTURE.name})"]
    for model, title in TITLES.items():
        rows = []
        for name, result in engines.items():
            if name.split("-")[0] != model:
                continue
            rates = result["tokens_per_s"]
            for cell in CELLS:
                texts = [number(rates[engine].get(cell.name)) for engine in ENGINES]
                if format_of(name) not in OPENVINO_FORMATS and texts[-1] != "-":
                    texts[-1] = f"({texts[-1]})"
                rows.append([format_of(name), cell.name, *texts, ratio(rates, cell.name)])
        if rows:
            parts += [f"### {title}", table(["format", "cell", *ENGINES, "ratio"], rows, words=2)]
    return parts + [paragraph(f"""
        Decode: prompts of 128 tokens, 64 tokens of output for each stream. {others(engines.values())}""")]


def others(results):
    """How quiet the machine was, at the worst of these results."""
    shares = {}
    for result in results:
        for engine, share in result["others_share"].items():
            shares[engine] = max(share, shares.get(engine, 0))
    listed = ", ".join(f"{engine} {share:.0%}" for engine, share in shares.items())
    return f"""Processes other than those measured took at most these parts of the CPUs' time: {listed}. The more they
        took, the less a figure says about its engine."""


def ratio(rates, cell):
    theirs = max(rates[engine].get(cell, 0) for engine in rates if engine != "Apus")
    return f"{rates['Apus'][cell] / theirs:.2f}" if theirs else "-"


def limits_table(engines):
    """How near Apus comes to what the machine can do."""
    threads = max(result["threads"] for result in engines.values())
    limits = [result["limits"] for result in engines.values()]
    read_one = max(limit["read_gb_per_s_1_thread"] for limit in limits)
    read = max(limit["read_gb_per_s"] for limit in limits)
    gops = {isa: max(limit["gops_per_core"][isa] for limit in limits) for isa in limits[0]["gops_per_core"]}
    rows = []
    for name, result in engines.items():
        rates = result["tokens_per_s"]["Apus"]
        bandwidth = result["weight_bytes"] * rates[DECODE] / 1e9
        products = 2 * result["layer_parameters"] * rates[PREFILL] / 1e9
        rows.append([
            name, f"{bandwidth:.1f}", f"{bandwidth / read:.0%}", f"{products:.0f}",
            *(f"{products / (threads * rate):.0%}" for rate in gops.values())])
    tiles = "Tiles reach theirs with 64 products to a sum; the blocks of GGUF's formats have 32 or 16."
    return [
        "## Apus against the machine's limits",
        paragraph(f"""
            Measured in every round, of which the best counts: {threads} threads read {read:.1f} GB/s from memory, one
            {read_one:.1f}. The rate of byte products on registers, where a multiply-add is two operations, is
            {", ".join(f"{rate:.0f} GOPS a core ({isa})" for isa, rate in gops.items())}.
            {tiles if "amx" in gops else ""}
            Decode with 1 stream reads all weights for each token, those of a small model perhaps from the last-level
            cache: that may exceed the memory's rate. Prefill multiplies each token with the matrices of
            all layers; attention is not counted."""),
        table(
            ["file", "decode GB/s", "of memory's", "prefill GOPS", *(f"of {threads} cores' {isa}" for isa in gops)],
            rows, words=1)]


def contexts_table(contexts):
    rows = [
        [row["context"], number(row["tokens_per_s"]), number(row["llama_cpp_tokens_per_s"]), f"{row['gb_per_s']:.1f}",
         f"{row['read_gb_per_s']:.1f}", f"{row['gb_per_s'] / row['read_gb_per_s']:.0%}"]
        for row in contexts["rows"]]
    return [
        "## Much context",
        paragraph(f"""One stream of {contexts["model"]} with {contexts["threads"]} threads, {contexts["output"]} tokens
        of output behind so many others. For each token all weights and the whole context's keys and values are read;
        plain reads in the same round say what the memory gives."""),
        table(["context", "Apus tokens/s", "llama.cpp", "GB/s", "plain reads", "of them"], rows, words=0)]


def steps_table(steps):
    sizes = [size for size in steps["greedy"]]
    return [
        "## Around the model",
        paragraph(f"""A worker's step with {steps["sequences"]} sequences in decode around a model that answers at
        once, in microseconds on one thread: batch, pages, choice of tokens and the report, by the size of the vocabulary.
        With a small one it is the engine's own work, with a large one what it takes to read the logits, which the threads
        of a real model share."""),
        table(["tokens are"] + [f"of {size}" for size in sizes],
              [[kind] + [number(steps[kind][size]) for size in sizes] for kind in ["greedy", "sampled"]], words=1)]


def serving_table(serving):
    lines = {(line["server"], line["streams"]): line for line in serving["rows"]}
    rows = []
    for streams in sorted({line["streams"] for line in serving["rows"]}):
        ours, theirs = lines.get(("Apus", streams)), lines.get(("llama.cpp", streams))

        def both(key):
            return " / ".join(number(line and line[key]) for line in (ours, theirs))

        quotient = f"{ours['tokens_per_s'] / theirs['tokens_per_s']:.2f}" if ours and theirs else "-"
        rows.append([streams, both("tokens_per_s"), quotient, both("ttft_p99_ms"), both("itl_p99_ms")])
    return [
        "## Over HTTP",
        paragraph(f"""
            `apus serve --workers 1` and `llama-server --parallel 32` with {serving["model"]},
            {serving["threads"]} threads each; the load generator shares the machine with them. Streams of 128 + 64
            tokens; pairs are Apus / llama-server. {others([serving])}"""),
        table(["streams", "tokens/s", "ratio", "first token p99 ms", "between tokens p99 ms"], rows, words=0)]


def speculation_table(speculation):
    rows = [
        [row["kind"], number(row["plain_tokens_per_s"]), number(row["tokens_per_s"]),
         f"{row['tokens_per_s'] / row['plain_tokens_per_s']:.2f}", f"{row['accepted']} of {row['drafted']}"]
        for row in speculation["rows"]]
    return [
        "## Speculation by prompt lookup",
        paragraph(f"""
            One stream over HTTP with {speculation["model"]}, greedy answers of at most {speculation["tokens"]} tokens
            (without the prefix cache, prefill included), without and with drafts; equal answers. `edit` and `code` repeat
            much of the prompt, `summary` some, `story` nothing."""),
        table(["prompt", "plain tokens/s", "with drafts", "ratio", "accepted of drafted"], rows, words=1)]


if __name__ == "__main__":
    main()
