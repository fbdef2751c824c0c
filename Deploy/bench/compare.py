"""Measures Apus and llama.cpp in turn on the same file, threads and machine; prints medians and ratios.

    python3 Deploy/bench/compare.py engine  [--rounds 3]     one process: 512-token prefill, single-stream decode
    python3 Deploy/bench/compare.py serving [--rounds 1]     apus serve and llama-server under 1, 8 and 32 streams

Both engines use the same number of threads. llama.cpp runs with and without flash attention; its better figure counts.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APUS = ROOT / ".build/release/apus"
LLAMA = ROOT / ".bench/llama/bin"


def last_json(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return done.stdout


def llama_engine(model, threads, prompt, output):
    """llama-bench's tokens per second: (prefill, decode), the better of flash attention off and on."""
    rows = json.loads(last_json(
        [LLAMA / "llama-bench", "-m", model, "-t", threads, "-p", prompt, "-n", output, "-fa", "0,1", "-r", 2,
         "-o", "json"]))
    prefill = max(row["avg_ts"] for row in rows if row["n_prompt"])
    decode = max(row["avg_ts"] for row in rows if row["n_gen"])
    return prefill, decode


def apus_engine(model, threads, prompt, output):
    row = json.loads(last_json(
        [APUS, "bench", "--engine", model, "--threads", threads, "--prompt-tokens", prompt, "--output-tokens", output]))
    return row["prefill_tokens_per_s"], row["decode_tokens_per_s"]


def compare_engine(options):
    figures = {"apus": [], "llama.cpp": []}
    for _ in range(options.rounds):
        figures["apus"].append(apus_engine(options.model, options.threads, 512, 128))
        figures["llama.cpp"].append(llama_engine(options.model, options.threads, 512, 128))
    print(f"| tokens/s, {options.threads} threads | Apus | llama.cpp | ratio |\n|---|---|---|---|")
    for index, name in enumerate(["prefill 512", "decode, 1 stream"]):
        ours = statistics.median(row[index] for row in figures["apus"])
        theirs = statistics.median(row[index] for row in figures["llama.cpp"])
        print(f"| {name} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f}x |")


class Server:
    def __init__(self, command, url):
        self.process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.time() + 60
        while True:
            try:
                with urllib.request.urlopen(url, timeout=1) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            if time.time() > deadline or self.process.poll() is not None:
                raise SystemExit(f"{command[0]} did not get ready")
            time.sleep(0.1)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def load(port, model, streams, requests):
    return json.loads(last_json(
        [APUS, "bench", "--url", f"http://127.0.0.1:{port}", "--model", model, "--concurrency", streams, "--requests",
         requests, "--prompt-tokens", 128, "--output-tokens", 64, "--seed", streams]))


def compare_serving(options):
    servers = {
        "apus": lambda: Server(
            [APUS, "serve", options.model, "--name", "bench", "--workers", 1, "--threads", options.threads,
             "--http-port", 18000, "--grpc-port", 18001, "--admin-port", 18002, "--log-level", "error"],
            "http://127.0.0.1:18002/readyz"),
        "llama-server": lambda: Server(
            [LLAMA / "llama-server", "-m", options.model, "-t", options.threads, "--parallel", 32, "-c", 32 * 512,
             "--port", 18000, "--alias", "bench"],
            "http://127.0.0.1:18000/health"),
    }
    lines = {}
    for _ in range(options.rounds):
        for name, start in servers.items():
            server = start()
            try:
                load(18000, "bench", 2, 4)
                for streams in (1, 8, 32):
                    line = load(18000, "bench", streams, max(8, streams * 3))
                    lines.setdefault((name, streams), []).append(line)
                    print(name, json.dumps(line), flush=True)
            finally:
                server.stop()
    print("| streams | Apus tokens/s | llama-server tokens/s | ratio | TTFT p99 ms | ITL p99 ms |\n|---|---|---|---|---|---|")
    for streams in (1, 8, 32):
        ours, theirs = ([line for line in lines[name, streams]] for name in servers)
        rate = [statistics.median(line["output_tokens_per_s"] for line in side) for side in (ours, theirs)]
        tails = [
            " / ".join(f"{statistics.median(line[key]['p99'] for line in side):.0f}" for side in (ours, theirs))
            for key in ("ttft_ms", "itl_ms")]
        print(f"| {streams} | {rate[0]:.0f} | {rate[1]:.0f} | {rate[0] / rate[1]:.2f}x | {tails[0]} | {tails[1]} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["engine", "serving"])
    parser.add_argument("--model", default=str(ROOT / ".models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for needed in (APUS, LLAMA / "llama-server", Path(options.model)):
        if not needed.exists():
            sys.exit(f"{needed} is missing: run `make bench`, which builds it")
    compare_engine(options) if options.what == "engine" else compare_serving(options)


if __name__ == "__main__":
    main()
