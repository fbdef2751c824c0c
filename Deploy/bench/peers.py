"""How fast each engine runs a model file, in a process of its own: tokens/s for each cell."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from common import APUS, LLAMA, output
from models import format_of, path_of


@dataclass(frozen=True)
class Cell:
    """Streams that run at once, each with a prompt and an answer; what counts is the rate of one of the two."""

    name: str
    streams: int
    prompt: int
    output: int
    is_prefill: bool = False


CELLS = [
    Cell("prefill 512", 1, 512, 2, is_prefill=True),
    Cell("decode, 1 stream", 1, 128, 64),
    Cell("decode, 8 streams", 8, 128, 64),
    Cell("decode, 32 streams", 32, 128, 64),
]


def attempt(*command, timeout=1800):
    """The lines of JSON that a peer prints until it ends or fails. A failure is said and stops nothing: it costs the
    cells that are missing then."""
    words = [str(part) for part in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout)
        text, problem = done.stdout, done.returncode and f"status {done.returncode}: {done.stderr.strip()[-300:]}"
    except (OSError, subprocess.TimeoutExpired) as error:
        text, problem = "", str(error)
    if problem:
        print(f"{words[0]}: {problem}", file=sys.stderr, flush=True)
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def apus(name, threads):
    rates = {}
    for cell in CELLS:
        row = json.loads(output(
            APUS, "bench", "--engine", path_of(name), "--threads", threads, "--concurrency", cell.streams,
            "--prompt-tokens", cell.prompt, "--output-tokens", cell.output))
        rates[cell.name] = row["prefill_tokens_per_s" if cell.is_prefill else "decode_tokens_per_s"]
        rates["weight_bytes"] = row["weight_bytes"]
    return rates


def llama_cpp(name, threads):
    """With and without flash attention: the better counts."""
    rates = {}

    def add(cell, rate):
        rates[cell.name] = max(rate, rates.get(cell.name, 0))

    prefill = next(cell for cell in CELLS if cell.is_prefill)
    for row in attempt(
            LLAMA / "llama-bench", "-m", path_of(name), "-t", threads, "-p", prefill.prompt, "-n", 0, "-fa", "0,1",
            "-r", 3, "-o", "jsonl"):
        add(prefill, row["avg_ts"])
    decode = {cell.streams: cell for cell in CELLS if not cell.is_prefill}
    most = max(decode.values(), key=lambda cell: cell.streams)
    for attention in ("on", "off"):
        for row in attempt(
                LLAMA / "llama-batched-bench", "-m", path_of(name), "-t", threads, "-fa", attention,
                "-c", most.streams * (most.prompt + most.output), "-b", 2048, "-ub", 512, "-npp", most.prompt,
                "-ntg", most.output, "-npl", ",".join(map(str, decode)), "--output-format", "jsonl"):
            add(decode[row["pl"]], row["speed_tg"])
    return rates


# What OpenVINO runs as it is. It quantizes other formats again, to 4 bits or 8: there its figure for Q4_0 counts.
OPENVINO_FORMATS = ["Q4_0", "Q8_0"]


def openvino(name, threads):
    if format_of(name) not in OPENVINO_FORMATS:
        return {}
    rows = attempt(
        sys.executable, Path(__file__).with_name("openvino_engine.py"), path_of(name), threads,
        *(f"{cell.streams}:{cell.prompt}:{cell.output}" for cell in CELLS))
    return {
        cell.name: row["prefill_tokens_per_s" if cell.is_prefill else "decode_tokens_per_s"]
        for cell, row in zip(CELLS, rows)}


ENGINES = {"Apus": apus, "llama.cpp": llama_cpp, "OpenVINO": openvino}
