"""Measures decode with much context, one stream: .bench/results/contexts.json.

    .bench/venv/bin/python Deploy/bench/contexts.py [--rounds 3] [--threads N]

The model is 135m-q4_0 with a larger context length written into its file: what it says gets senseless there, its speed
does not. All weights and all of the context's keys and values are read for each token; how many bytes that is a second,
and how many plain reads get in the same round, says how near the kernels are to the machine's limit.
"""

import argparse
import json
import os
import shutil
import statistics

from common import APUS, LLAMA, MODELS, output, save, undisturbed
from models import path_of, prepare
from peers import attempt

SOURCE, LONG = "135m-q4_0", MODELS / "135m-long-q4_0.gguf"
CONTEXTS, OUTPUT = [1024, 4096, 8192, 16_384], 32


def prepare_long():
    import gguf

    prepare([SOURCE])
    if LONG.exists():
        return
    part = LONG.with_suffix(".part")
    shutil.copyfile(path_of(SOURCE), part)
    field = gguf.GGUFReader(part, "r+").get_field("llama.context_length")
    field.parts[field.data[0]][0] = CONTEXTS[-1] + 2 * OUTPUT
    part.rename(LONG)


def kv_bytes():
    """Of one token: keys and values of all layers, two bytes each."""
    import gguf

    reader = gguf.GGUFReader(LONG)

    def value(name):
        return int(reader.get_field(f"llama.{name}").contents())

    head = value("embedding_length") // value("attention.head_count")
    return 2 * 2 * value("block_count") * value("attention.head_count_kv") * head


def apus(context, threads):
    return json.loads(output(
        APUS, "bench", "--engine", LONG, "--threads", threads, "--concurrency", 1, "--prompt-tokens", context,
        "--output-tokens", OUTPUT))


def llama_cpp(context, threads):
    """With flash attention, which is its faster way with much context; nothing where it fails."""
    rows = attempt(
        LLAMA / "llama-batched-bench", "-m", LONG, "-t", threads, "-fa", "on", "-c", context + OUTPUT, "-b", 2048,
        "-ub", 512, "-npp", context, "-ntg", OUTPUT, "-npl", 1, "--output-format", "jsonl")
    return rows[0]["speed_tg"] if rows else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    prepare_long()
    each = kv_bytes()
    rows = []
    for context in CONTEXTS:
        ours, theirs, reads = [], [], []
        for _ in range(options.rounds):
            ours.append(undisturbed(lambda: apus(context, options.threads))[0])
            limits = json.loads(output(APUS, "bench", "--limits", "--threads", options.threads))
            reads.append(limits["read_gb_per_s"])
            theirs.append(undisturbed(lambda: llama_cpp(context, options.threads))[0])
        rate = statistics.median(row["decode_tokens_per_s"] for row in ours)
        rows.append({
            "context": context, "tokens_per_s": rate, "read_gb_per_s": statistics.median(reads),
            "gb_per_s": rate * (ours[0]["weight_bytes"] + each * (context + OUTPUT / 2)) / 1e9,
            "llama_cpp_tokens_per_s": statistics.median(theirs) if all(theirs) else None})
        print(rows[-1], flush=True)
    save("contexts", {"model": SOURCE, "threads": options.threads, "output": OUTPUT, "rows": rows})


if __name__ == "__main__":
    main()
