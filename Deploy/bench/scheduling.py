"""Compares policies of balancing in the simulator; writes the figures of Docs/scheduling.md and its picture.

    .bench/venv/bin/python Deploy/bench/scheduling.py          # measures
    .bench/venv/bin/python Deploy/bench/scheduling.py --draw   # only writes again what was measured
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of output)

from common import APUS, ROOT, load, output, save  # noqa: E402

PAGE, PICTURE = ROOT / "Docs/scheduling.md", ROOT / "Docs/scheduling.svg"
BEGIN, END = "<!-- {0}: Deploy/bench/scheduling.py writes them -->", "<!-- end of {0} -->"
# Workers, requests a second for each, seconds before measuring and of it: large clusters for shorter.
CELLS = [("4", "2,3,4,5,6", 60, 60), ("16", "2,3,4,5", 60, 60), ("64", "4,6", 20, 30), ("256,1000", "5", 20, 10)]
# The same, flooded by one tenant: workers, requests a second for each, and of the flood.
FLOODED = [("4", "2", "8", 60, 60), ("16", "2", "8", 60, 60)]
# Workers of which some become ten times slower.
SLOWED = [("4", "2", "1", 60, 60), ("16", "3", "1", 60, 60), ("16", "3", "4", 60, 60), ("64", "4", "8", 20, 30)]
POLICIES = ["apus", "cache aware", "least loaded", "round robin"]
# Told apart by brightness and dashes too.
STYLES = {"apus": ("#1b4965", "-"), "cache aware": ("#e07a1f", "-"), "least loaded": ("#7b8a94", "--"),
          "round robin": ("#a9b4bd", ":")}


def compare(sizes, rates, warm_up, seconds, *flags):
    lines = output(
        APUS, "simulate", "--compare", "--sizes", sizes, "--rates", rates, "--warm-up-seconds", warm_up, "--seconds",
        seconds, *flags, timeout=7200)
    return [json.loads(line) for line in lines.splitlines()]


def measure():
    return {
        "policies": [run for cell in CELLS for run in compare(*cell)],
        "flooded": [run for sizes, rates, flood, *times in FLOODED
                    for run in compare(sizes, rates, *times, "--flood", flood)],
        "slowed": [run for sizes, rates, slow, *times in SLOWED
                   for run in compare(sizes, rates, *times, "--slow-workers", slow)],
    }


def ordered(runs):
    order = {policy: place for place, policy in enumerate(POLICIES)}
    return sorted(runs, key=lambda run: (run["workers"], run["rate"], run["slow_workers"], order[run["policy"]]))


def flooded_table(runs):
    lines = ["| workers | req/s each | flood | policy | others good | others' TTFT p99 s | Jain, tokens served |",
             "|---:|---:|---:|---|---:|---:|---:|"]
    lines += [f"| {run['workers']} | {run['rate']:g} | {run['flood']:g} | {run['policy']} | {run['light_good']:.1%} | "
              f"{run['light_ttft_p99']:.2f} | {run['served_fairness']:.3f} |" for run in ordered(runs)]
    return "\n".join(lines)


def slowed_table(runs):
    lines = ["| workers | slow ones | req/s each | policy | good | TTFT p99 s | found | slow steps before that, s | given work then |",
             "|---:|---:|---:|---|---:|---:|---:|---:|---:|"]
    for run in ordered(runs):
        found = [f"{run['slow_noticed']} of {run['slow']}", f"{run['slow_seconds_max']:.2f}", run["wrong_admissions"]]
        cells = found if run["policy"] == "apus" else ["-"] * 3
        lines.append(
            f"| {run['workers']} | {run['slow_workers']} | {run['rate']:g} | {run['policy']} | {run['good']:.1%} | "
            f"{run['ttft_p99']:.2f} | " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def table(runs):
    lines = ["| workers | req/s each | policy | good | TTFT p50 s | TTFT p99 s | ITL p99 ms | Jain | hit rate |",
             "|---:|---:|---|---:|---:|---:|---:|---:|---:|"]
    for run in ordered(runs):
        # Where next to nothing is good, its distribution says nothing.
        fairness = f"{run['fairness']:.3f}" if run["good"] >= 0.05 else "-"
        lines.append(
            f"| {run['workers']} | {run['rate']:g} | {run['policy']} | {run['good']:.1%} | {run['ttft_p50']:.3f} | "
            f"{run['ttft_p99']:.2f} | {run['itl_p99'] * 1000:.0f} | {fairness} | {run['hit_rate']:.1%} |")
    return "\n".join(lines)


def draw(runs):
    # The same file for the same figures: no random identifiers, no date.
    plt.rcParams.update({"svg.hashsalt": "apus", "svg.fonttype": "none", "font.size": 8, "font.family": "sans-serif"})
    sizes = [size for size in sorted({run["workers"] for run in runs})
             if len({run["rate"] for run in runs if run["workers"] == size}) > 2]
    panels = [("good", "good requests, %", 100, "linear"), ("ttft_p99", "TTFT p99, s", 1, "log"),
              ("hit_rate", "prefix hit rate, %", 100, "linear")]
    figure, axes = plt.subplots(len(sizes), len(panels), figsize=(9, 2.4 * len(sizes) + 0.4), squeeze=False)
    for size, line in zip(sizes, axes):
        for (key, title, factor, scale), axis in zip(panels, line):
            for policy in POLICIES:
                points = sorted((run["rate"], run[key] * factor) for run in runs
                                if run["workers"] == size and run["policy"] == policy)
                colour, dashes = STYLES[policy]
                axis.plot(*zip(*points), dashes, color=colour, label=policy, marker=".")
            axis.set_yscale(scale)
            axis.set_title(f"{size} workers: {title}", fontsize=8)
            axis.set_xlabel("requests a second for each worker")
            axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="lower center", ncols=len(POLICIES), frameon=False)
    figure.tight_layout(rect=(0, 0.3 / figure.get_figheight(), 1, 1))
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)


def main():
    if "--draw" not in sys.argv:
        save("scheduling", measure())
    runs = load("scheduling")
    if not runs:
        sys.exit("Nothing was measured yet: run this without --draw.")
    page = PAGE.read_text()
    for name, text in (("figures", table(runs["policies"])), ("flooded", flooded_table(runs["flooded"])),
                       ("slowed", slowed_table(runs["slowed"]))):
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = page.split(begin)
        page = before + begin + "\n\n" + text + "\n\n" + end + rest.split(end)[1]
    PAGE.write_text(page)
    draw(runs["policies"])
    print(f"{PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)} are written")


if __name__ == "__main__":
    main()
