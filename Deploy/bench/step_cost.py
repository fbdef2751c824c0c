"""Fits the cost of a simulated worker's step to what was measured, beside the constants that the simulator has.

    Deploy/bench/step_cost.py [NAME]     a model of `make bench`, 135m-q4_1 without one; reads .bench/results

    seconds of a step = fixed + decode rows * each + prompt tokens * each + (row, token before it) pairs * each

Fixed and row: least squares of relative errors over decode with 1, 8 and 32 streams. Prompt token: what prefill of 512 tokens
in steps of 256 leaves. Pairs are not fitted: contexts of these measurements are short.
"""

import re
import sys

from common import ROOT, load

SOURCE = ROOT / "Sources/Simulation/Worker/StepCost.swift"
NAMES = ["fixedSeconds", "decodeRowSeconds", "promptTokenSeconds", "attentionSeconds"]
PREFILL_TOKENS, STEP_TOKENS = 512, 256


def constants():
    """Those of `StepCost.measured`."""
    text = SOURCE.read_text().split("static let measured")[1]
    return {name: float(re.search(rf"{name}: ([\d.e-]+)", text).group(1)) for name in NAMES}


def line(points):
    """a and b of y = a + b x that make the sum of ((a + b x) / y - 1)^2 least."""
    s0 = sum(1 / y**2 for _, y in points)
    s1 = sum(x / y**2 for x, y in points)
    s2 = sum((x / y) ** 2 for x, y in points)
    t0 = sum(1 / y for _, y in points)
    t1 = sum(x / y for x, y in points)
    determinant = s0 * s2 - s1**2
    return (t0 * s2 - t1 * s1) / determinant, (s0 * t1 - s1 * t0) / determinant


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "135m-q4_1"
    measured = load(f"engine-{name}")
    if not measured:
        sys.exit(f".bench/results/engine-{name}.json is not there: run `make bench BENCH_MODELS={name}` first.")
    rates = measured["tokens_per_s"]["Apus"]
    now = constants()
    steps = {streams: streams / rates[f"decode, {streams} stream{'s' * (streams > 1)}"] for streams in (1, 8, 32)}
    fixed, row = line(list(steps.items()))
    pairs = PREFILL_TOKENS * (PREFILL_TOKENS + 1) / 2
    rest = PREFILL_TOKENS / rates[f"prefill {PREFILL_TOKENS}"] - fixed * PREFILL_TOKENS / STEP_TOKENS
    fitted = {"fixedSeconds": fixed, "decodeRowSeconds": row,
              "promptTokenSeconds": (rest - pairs * now["attentionSeconds"]) / PREFILL_TOKENS}
    print(f"{name}, measured {measured['date']} on {measured['threads']} threads")
    for part in NAMES[:3]:
        print(f"{part:20} fitted {fitted[part] * 1e3:.3f} ms, the simulator has {now[part] * 1e3:.3f} ms")
    for streams, seconds in steps.items():
        print(f"a step of {streams:2} streams: measured {seconds * 1e3:.2f} ms, fitted {(fixed + row * streams) * 1e3:.2f} ms, "
              f"the simulator {(now['fixedSeconds'] + now['decodeRowSeconds'] * streams) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
