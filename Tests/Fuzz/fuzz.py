"""Runs the fuzzers, keeps count of what they did, and makes a page of it.

    Tests/Fuzz/fuzz.py run [--seconds 60] [--jobs 2] [TARGET…]
    Tests/Fuzz/fuzz.py keep [TARGET…]      what was found to reach new code joins corpus/, as little of it as does
    Tests/Fuzz/fuzz.py report              adds what was run to ledger.json and writes Docs/fuzzing.md

Inputs that the fuzzers make are in .build-fuzz/corpus, what breaks something in .build-fuzz/findings: mend it, and move
the input to regressions/TARGET, which `swift test` goes through.
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / ".build-fuzz"
FUZZ = BUILD / "release/fuzz"
# What ran here since the last report, and what all machines ran until then.
RECENT, LEDGER = BUILD / "ledger.json", HERE / "ledger.json"
FOUND = BUILD / "corpus"
PAGE = ROOT / "Docs/fuzzing.md"
# Of one input: ten seconds with the sanitizer are about one without it.
SECONDS_MAX, MEGABYTES_MAX = 10, 2048
# Swift keeps flags in bits of its pointers, which the search for leaks takes for other numbers.
ENVIRONMENT = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
# Of what is kept in the repository for one target.
KEPT_BYTES = 120_000


def folders(target):
    kept = [HERE / kind / target for kind in ("corpus", "regressions")]
    return [folder for folder in kept if folder.is_dir()]


def run(target, seconds):
    """One fuzzer for so many seconds: what it did, and whether it ended well."""
    corpus, findings = FOUND / target, BUILD / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    log = BUILD / f"{target}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [FUZZ, target, f"-max_total_time={seconds}", f"-timeout={SECONDS_MAX}", f"-rss_limit_mb={MEGABYTES_MAX}",
             "-report_slow_units=2", "-print_final_stats=1", f"-artifact_prefix={findings}/{target}-", corpus,
             *folders(target)],
            stdout=output, stderr=subprocess.STDOUT, env=ENVIRONMENT)
        _, status, usage = os.wait4(process.pid, 0)
    text = log.read_text(errors="replace")

    def last(pattern):
        found = re.findall(pattern, text)
        return int(found[-1]) if found else 0

    return {
        "target": target, "ended_well": os.waitstatus_to_exitcode(status) == 0, "log": str(log),
        "cpu_seconds": usage.ru_utime + usage.ru_stime, "edges": last(r"cov: (\d+)"),
        "executions": last(r"stat::number_of_executed_units: (\d+)") or last(r"#(\d+)\s"),
        "peak_megabytes": last(r"stat::peak_rss_mb: +(\d+)")}


def enter(result):
    """Adds one run to what ran here."""
    ledger = json.loads(RECENT.read_text()) if RECENT.exists() else {}
    target = result["target"]
    add(ledger, target, {
        "cpu_seconds": result["cpu_seconds"], "executions": result["executions"], "findings": int(not result["ended_well"]),
        "edges": result["edges"], "peak_megabytes": result["peak_megabytes"], "inputs": len(list((FOUND / target).iterdir()))})
    RECENT.write_text(json.dumps(ledger, indent=1))


def add(ledger, target, figures):
    """Times and counts add up; of the rest the most counts."""
    entry = ledger.setdefault(target, dict.fromkeys(figures, 0))
    for name, figure in figures.items():
        entry[name] = entry[name] + figure if name in ("cpu_seconds", "executions", "findings") else max(entry[name], figure)


def run_all(targets, seconds, jobs):
    failed = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        turns = [pool.submit(run, target, seconds) for target in targets]
        for turn in concurrent.futures.as_completed(turns):
            result = turn.result()
            enter(result)
            print(f"{result['target']:12} {result['executions']:>10} executions, {result['cpu_seconds']:.0f} CPU seconds, "
                  f"{result['edges']} edges" + ("" if result["ended_well"] else f": FAILED, see {result['log']}"), flush=True)
            if not result["ended_well"]:
                failed.append(result["target"])
    return failed


def keep(target):
    """Replaces what was kept by the smallest inputs that reach all that is reached, smaller ones first, seeds always."""
    folder, merged = HERE / "corpus" / target, BUILD / "merged" / target
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    subprocess.run(
        [FUZZ, target, "-merge=1", f"-timeout={SECONDS_MAX}", merged, *folders(target), FOUND / target], check=True, env=ENVIRONMENT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for old in folder.iterdir():
        if not old.name.startswith("seed-"):
            old.unlink()
    seeds = {each.read_bytes() for each in folder.iterdir()}
    room = KEPT_BYTES - sum(map(len, seeds))
    for path in sorted(merged.iterdir(), key=lambda path: path.stat().st_size):
        room -= path.stat().st_size
        if room < 0:
            break
        if path.read_bytes() not in seeds:
            shutil.copy(path, folder / path.name[:12])


def report():
    ledger = json.loads(LEDGER.read_text())
    if RECENT.exists():
        for target, figures in json.loads(RECENT.read_text()).items():
            add(ledger, target, figures)
        LEDGER.write_text(json.dumps(ledger, indent=1, sort_keys=True) + "\n")
        RECENT.unlink()
    commit = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always"], capture_output=True, text=True, check=True).stdout.strip()
    rows = [
        f"| {target} | {entry['executions']:,} | {entry['cpu_seconds'] / 3600:.2f} | {entry['inputs']:,} | "
        f"{entry['edges']:,} | {entry['peak_megabytes']} | {len(list((HERE / 'regressions' / target).glob('*')))} |"
        for target, entry in sorted(ledger.items())]
    page = PAGE.read_text()
    start, end = "<!-- figures: Tests/Fuzz/fuzz.py report -->\n", "<!-- end of figures -->"
    head, rest = page.split(start)
    table = "\n".join([
        f"Until {datetime.date.today()}, commit {commit}:", "",
        "| target | inputs run | CPU hours | inputs that reached something new | edges of the program | peak MB | kept regressions |",
        "|---|---|---|---|---|---|---|", *rows, ""])
    PAGE.write_text(head + start + table + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["run", "keep", "report"])
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    known = subprocess.run([FUZZ], capture_output=True, text=True, check=True).stdout.split()
    targets = arguments.targets or known
    if unknown := set(targets) - set(known):
        parser.error(f"there is no target {', '.join(unknown)}; there are {', '.join(known)}")
    if arguments.what == "run":
        if failed := run_all(targets, arguments.seconds, arguments.jobs):
            sys.exit(f"found something: {', '.join(failed)}; inputs are in {BUILD}/findings")
    elif arguments.what == "keep":
        for target in targets:
            keep(target)
    else:
        report()


if __name__ == "__main__":
    main()
