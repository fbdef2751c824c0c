"""Measures what drafts from the sequence's own text bring: one stream, with and without, on prompts that are repeated in
part (edit, code, summary) and on one that is not (story). The answers must be equal.

    python3 Deploy/bench/speculation.py [--model FILE] [--rounds 3]
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APUS = ROOT / ".build/release/apus"
TEXT = (
    "Swifts spend most of their lives in the air. They eat, drink and sleep on the wing, and land only to breed. "
    "A young swift that leaves its nest may stay in the air for two or three years before it lands for the first time. "
    "In winter the birds fly to Africa, following the rain and the insects that come with it. "
    "Their nests are made of feathers and plant parts caught in flight and glued with saliva.")
CODE = (
    "def area(width, height):\n    if width < 0 or height < 0:\n        raise ValueError('negative size')\n"
    "    return width * height\n\n\ndef volume(width, height, depth):\n"
    "    if width < 0 or height < 0 or depth < 0:\n        raise ValueError('negative size')\n"
    "    return width * height * depth\n")
PROMPTS = {
    "edit": f"Repeat this text word for word, but write the word swifts in capitals:\n\n{TEXT}",
    "code": f"Repeat this program and add a docstring to each function:\n\n{CODE}",
    "summary": f"Summarise this text in three sentences that use its own words:\n\n{TEXT}",
    "story": "Tell a story about a lighthouse keeper.",
}


def fetch(url, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read().decode()


def ask(prompt):
    start = time.time()
    answer = json.loads(fetch("http://127.0.0.1:18000/v1/chat/completions", {
        "model": "bench", "temperature": 0, "max_tokens": 200, "messages": [{"role": "user", "content": prompt}]}))
    return answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"] / (time.time() - start)


def counters(port):
    text = fetch(f"http://127.0.0.1:{port}/metrics")
    found = re.findall(r"^vllm:spec_decode_num_(\w+)_tokens_total{[^}]*} (\d+)", text, re.M)
    return {name: int(value) for name, value in found}


def start(model, threads, speculation):
    worker = subprocess.Popen(
        [str(APUS), "worker", model, "--name", "bench", "--threads", str(threads), "--port", "18101", "--metrics-port",
         "18102", "--speculation", speculation, "--prefix-cache", "false", "--log-level", "error"], stdout=subprocess.DEVNULL)
    router = subprocess.Popen(
        [str(APUS), "router", "--worker-address", "127.0.0.1:18101", "--http-port", "18000", "--grpc-port", "18001",
         "--admin-port", "18002", "--log-level", "error"], stdout=subprocess.DEVNULL)
    for _ in range(600):
        try:
            fetch("http://127.0.0.1:18002/readyz")
            return worker, router
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the cluster did not get ready")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / ".models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates, texts, accepted = {}, {}, {}
    for _ in range(options.rounds):
        for speculation in ("false", "true"):
            processes = start(options.model, options.threads, speculation)
            try:
                for name, prompt in PROMPTS.items():
                    before = counters(18102)
                    text, rate = ask(prompt)
                    after = counters(18102)
                    rates.setdefault((name, speculation), []).append(rate)
                    if texts.setdefault(name, text) != text:
                        raise SystemExit(f"{name}: the answers differ")
                    if speculation == "true":
                        accepted[name] = [after[key] - before[key] for key in ("accepted", "draft")]
            finally:
                for process in reversed(processes):
                    process.send_signal(signal.SIGTERM)
                    process.wait(20)
    print("| one stream, answers of at most 200 tokens | plain tokens/s | with drafts | ratio | accepted of drafted |")
    print("|---|---|---|---|---|")
    for name in PROMPTS:
        plain, drafted = (statistics.median(rates[name, kind]) for kind in ("false", "true"))
        print(f"| {name} | {plain:.0f} | {drafted:.0f} | {drafted / plain:.2f}x | "
              f"{accepted[name][0]} of {accepted[name][1]} |")


if __name__ == "__main__":
    main()
