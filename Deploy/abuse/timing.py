#!/usr/bin/env python3
"""Looks whether the time of an answer tells a tenant what another has asked; writes what it found into Docs/security.md.

    python3 Deploy/abuse/timing.py [--pairs 2000]

A tenant sends a prompt. Then another sends the same prompt, and one that nobody has sent, in random order, and compares
how long each takes. If prefixes in caches were shared the first would be faster. As a check of the method, the tenant itself
does the same, which has to show. Exits with 1 when the other can tell, or the tenant itself cannot.
"""

import argparse
import datetime
import http.client
import json
import math
import random
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "chaos"))

from programs import NAME, ROOT, Failure, Router, Worker

PAGE = ROOT / "Docs/security.md"
START, END = "<!-- timing: make abuse -->\n", "<!-- end of timing -->"
# The part of pairs in which the known prompt is the faster one; without a difference it is 0.5, give or take 0.01.
PART_MAX, CHANCE_MIN = 0.52, 0.01
HEADER = "x-tenant"


class Client:
    """One tenant's connection."""

    def __init__(self, port, tenant):
        self.connection, self.tenant = http.client.HTTPConnection("127.0.0.1", port, timeout=30), tenant

    def seconds(self, prompt):
        """Until a prompt's first token."""
        body = json.dumps({"model": NAME, "prompt": prompt, "max_tokens": 1})
        start = time.perf_counter()
        self.connection.request(
            "POST", "/v1/completions", body, {"content-type": "application/json", HEADER: self.tenant})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise Failure(f"A prompt was answered by {answer.status}: {text[:200]!r}")
        return time.perf_counter() - start


def compare(chance, victim, prober, pairs):
    """Times of prompts that the victim has sent before, and of fresh ones."""
    known, fresh = [], []
    for _ in range(pairs):
        asked, other = (" ".join(str(chance.randrange(100, 1000)) for _ in range(32)) for _ in range(2))
        victim.seconds(asked)
        turns = [(known, asked), (fresh, other)]
        chance.shuffle(turns)
        for times, prompt in turns:
            times.append(prober.seconds(prompt))
    return known, fresh


def rank_test(known, fresh):
    """Mann and Whitney's test.

    Returns: the part of all (known, fresh) in which the known one is faster (the area under the ROC curve), and how often
    chance alone would give as much or more, either way.
    """
    ranked = sorted([(value, False) for value in known] + [(value, True) for value in fresh])
    rank_sum = sum(place for place, (_, is_fresh) in enumerate(ranked, 1) if is_fresh)
    wins = rank_sum - len(fresh) * (len(fresh) + 1) / 2
    mean = len(known) * len(fresh) / 2
    deviation = math.sqrt(mean * (len(known) + len(fresh) + 1) / 6)
    return wins / (2 * mean), math.erfc(abs(wins - mean) / deviation / math.sqrt(2))


def milliseconds(times):
    return f"{sorted(times)[len(times) // 2] * 1e3:.1f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    chance = random.Random(options.seed)
    worker = Worker(0)
    worker.start()
    try:
        worker.wait_until_serving()
        router = Router([worker], ["--tenant-header", HEADER])
        try:
            router.wait_for_workers(1)
            victim, stranger, itself = (Client(router.port, tenant) for tenant in ("a", "b", "a"))
            found = {"another tenant": compare(chance, victim, stranger, options.pairs),
                     "the tenant itself": compare(chance, victim, itself, max(50, options.pairs // 10))}
        finally:
            router.program.end()
    finally:
        worker.program.end()

    lines = [f"Measured on {datetime.date.today()}:", "",
             "| who asks again | pairs | a known prompt, median | a new one | known is faster in | by chance |",
             "|---|---|---|---|---|---|"]
    parts = {}
    for who, (known, fresh) in found.items():
        parts[who], likelihood = rank_test(known, fresh)
        lines.append(f"| {who} | {len(known)} | {milliseconds(known)} | {milliseconds(fresh)} | {parts[who]:.1%} | "
                     f"{'< 0.0001' if likelihood < 1e-4 else f'{likelihood:.2f}'} |")
        if who == "another tenant":
            tells = abs(parts[who] - 0.5) > PART_MAX - 0.5 and likelihood < CHANCE_MIN
    text = PAGE.read_text()
    PAGE.write_text(re.sub(
        f"{START}.*?{END}", lambda _: START + "\n".join(lines) + "\n" + END, text, flags=re.DOTALL))
    print("\n".join(lines))
    if tells:
        sys.exit("Another tenant can tell what was asked before.")
    if parts["the tenant itself"] < 0.9:
        sys.exit("The tenant itself cannot tell: this shows nothing.")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
