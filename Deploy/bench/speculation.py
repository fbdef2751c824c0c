"""Measures what drafts from the sequence's own text bring: one stream, without and with, on prompts that the answer
repeats in part (edit, code, summary) and on one that it does not (story). The answers must be equal. Medians over
rounds go to .bench/results/speculation.json.

    .bench/venv/bin/python Deploy/bench/speculation.py [--rounds 3] [--threads N] [--model 135m-q4_1]
"""

import json
import re
import statistics
import time
import urllib.request

from common import APUS, save
from models import path_of
from serving import PORT, Server, read_options

LINK, METRICS = PORT + 3, PORT + 4
TOKENS = 200
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
    """The answer, and its tokens per second."""
    start = time.monotonic()
    answer = json.loads(fetch(f"http://127.0.0.1:{PORT}/v1/chat/completions", {
        "model": "bench", "temperature": 0, "max_tokens": TOKENS, "messages": [{"role": "user", "content": prompt}]}))
    rate = answer["usage"]["completion_tokens"] / (time.monotonic() - start)
    return answer["choices"][0]["message"]["content"], rate


def draft_tokens():
    """(accepted, drafted) since the worker started."""
    text = fetch(f"http://127.0.0.1:{METRICS}/metrics")
    found = dict(re.findall(r"^vllm:spec_decode_num_(\w+)_tokens_total{[^}]*} (\d+)", text, re.M))
    return int(found["accepted"]), int(found["draft"])


def cluster(name, threads, drafts):
    worker = Server(
        f"{METRICS}/readyz", APUS, "worker", path_of(name), "--name", "bench", "--threads", threads, "--port", LINK,
        "--metrics-port", METRICS, "--speculation", drafts, "--prefix-cache", "false", "--log-level", "error")
    router = Server(
        f"{PORT + 2}/readyz", APUS, "router", "--worker-address", f"127.0.0.1:{LINK}", "--http-port", PORT,
        "--grpc-port", PORT + 1, "--admin-port", PORT + 2, "--log-level", "error")
    return worker, router


def measure(name, rounds, threads):
    rates, texts, counts = {}, {}, {}
    for _ in range(rounds):
        for drafts in ("false", "true"):
            worker, router = cluster(name, threads, drafts)
            with worker, router:
                ask("Hello")
                for kind, prompt in PROMPTS.items():
                    before = draft_tokens()
                    text, rate = ask(prompt)
                    rates.setdefault((kind, drafts), []).append(rate)
                    if texts.setdefault(kind, text) != text:
                        raise SystemExit(f"{kind}: the answers differ")
                    if drafts == "true":
                        counts[kind] = [after - old for after, old in zip(draft_tokens(), before)]
    return {
        "model": name, "threads": threads, "rounds": rounds, "tokens": TOKENS,
        "rows": [
            {"kind": kind, "plain_tokens_per_s": statistics.median(rates[kind, "false"]),
             "tokens_per_s": statistics.median(rates[kind, "true"]), "accepted": counts[kind][0],
             "drafted": counts[kind][1]}
            for kind in PROMPTS]}


def main():
    options = read_options(__doc__)
    result = measure(options.model, options.rounds, options.threads)
    save("speculation", result)
    for row in result["rows"]:
        print(row)


if __name__ == "__main__":
    main()
