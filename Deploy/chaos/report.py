"""The table of a run, and the page Docs/chaos.md."""

import datetime
import platform
from pathlib import Path

import shares
from phases import percentile
from programs import ROOT

PAGE = Path(ROOT) / "Docs/chaos.md"
COLUMNS = (
    "fault", "times", "workers", "answers", "errors", "differing", "moved", "noticed p50", "p99", "pause p50", "p99",
    "max",
)


def milliseconds(values, share):
    return f"{percentile(values, share) * 1000:.0f} ms" if values else "—"


def row(phase):
    gaps = phase.silences or (phase.added_gaps if phase.moved else [])
    return [
        phase.name, phase.strikes or "—", phase.struck or "—", len(phase.answers), len(phase.errors),
        len(phase.differing), int(phase.moved), milliseconds(phase.detections, 0.5),
        milliseconds(phase.detections, 0.99), milliseconds(gaps, 0.5), milliseconds(gaps, 0.99),
        milliseconds(gaps, 1.0),
    ]


def line(phase):
    return ", ".join(f"{name} {value}" for name, value in zip(COLUMNS, row(phase)) if value != "—")


def table(phases):
    rows = [COLUMNS, ["---"] + ["--:"] * (len(COLUMNS) - 1)] + [row(phase) for phase in phases]
    return "\n".join("| " + " | ".join(str(cell) for cell in cells) + " |" for cells in rows)


def totals(phases):
    return {
        "strikes": sum(phase.strikes for phase in phases),
        "struck": sum(phase.struck for phase in phases),
        "answers": sum(len(phase.answers) for phase in phases),
        "errors": sum(len(phase.errors) for phase in phases),
        "differing": sum(len(phase.differing) for phase in phases),
        "moved": int(sum(phase.moved for phase in phases)),
    }


def processor():
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            return text.partition(": ")[2]
    return platform.machine()


# What is promised of figures: at most, or where the limit is negative at least.
PROMISES = {
    "freed_ms_p99": 50, "wasted_percent": 1, "goodput_percent": -95, "refusal_ms_p99": 10, "without_retry_after": 0,
    "other_errors": 0, "recovery_s": 5,
}


def exceeded(figures):
    return [
        f"{name} is {figures[name]}, promised was {'at least' if limit < 0 else 'at most'} {abs(limit)}"
        for name, limit in PROMISES.items()
        if name in figures and (figures[name] < -limit if limit < 0 else figures[name] > limit)
    ]


def write(phases, figures, skipped, options):
    PAGE.write_text(page(phases, figures, skipped, options))


def page(phases, figures, skipped, options):
    total = totals(phases)
    left_out = "".join(f"\nLeft out: {sentence}.\n" for sentence in skipped)
    alarms = [phase for phase in phases if phase.disturbance is None and "CPU" in phase.name]
    alarm = (
        f"Under it {alarms[0].false_alarms[0]} workers were given up and {alarms[0].false_alarms[1]} suspected.\n"
        if alarms
        else ""
    )
    return f"""# What clients see when things break

`make chaos` wrote this page on {datetime.date.today()}: {options.workers} workers of one thread each, {options.clients} \
clients, answers of {options.tokens} tokens, on {processor()}.

{total['answers']} answers while {total['struck']} workers were struck: **{total['errors']} errors, \
{total['differing']} answers that differ** from those of the undisturbed cluster. {total['moved']} sequences went on
elsewhere. The host gave {figures['stolen_percent']} % of the machine's CPUs to others meanwhile: times are as good as that.

{table(phases)}
{left_out}
- *Answers* are chat and text completions, streamed and whole, with one choice and two, log-probabilities, stop strings,
  penalties and biases. Each is compared with what the same request got undisturbed: text, log-probabilities, finish
  reasons, token counts.
- *Noticed*: from the strike to the line in the router's log that gives the worker up. For a killed process it is the
  kernel that closes its connections; one that is stopped or cut off is pinged after 0.2 s of silence and given up after
  0.6 s. `apus_worker_loss_silence_seconds` counts the same from the router's side.
  An engine that hangs behind a link that answers is suspected after 0.5 s without a step or a word that one moves, which
  workers say five times a second. One that got a tenth of its CPU time is noticed when it is set aside for its pace; there
  all workers have a cgroup each, with {shares.USUAL_US / shares.PERIOD_US:.0%} of a CPU.
- *Pause*: the longest of a stream, less the longest of the same request undisturbed; of as many streams as moved, those
  that paused longest. It holds what was noticed late, the wait for a place, and the prompt and all tokens so far
  computed again.
- No fault, but two busy processes for each CPU beside the cluster: a worker that is slow is not one that is gone. {alarm}\
- A router that is killed or stopped beside another one: the other's clients, half of all, are looked at, and the pause is
  the longest time after the strike in which none of them heard anything. Clients of the one that is struck are not counted:
  their connections end with it, and `Last-Event-ID` is how they go on.
- A router that gets SIGTERM finishes what runs and refuses the rest; its clients go to the other one, as a load balancer
  makes them.

## Clients that leave

A client that closes its connection has its place in a worker free again after {figures['freed_ms_p50']} ms (p50),
{figures['freed_ms_p99']} ms (p99): at the end of the step that is running. With every third of 240 streams left at a random
moment, {figures['wasted_percent']} % of {figures['computed_tokens']} tokens were computed for nobody.

## Too many requests

One worker of one thread serves {figures['peak_per_s']} requests a second at most. Offered {figures['offered_per_s']} a second
for a minute, whatever becomes of them, with the default limits: {figures['served_per_s']} a second are served
({figures['goodput_percent']} %), {figures['refused']} are refused with 429 and a Retry-After, after {figures['refusal_ms_p50']} ms
(p50), {figures['refusal_ms_p99']} ms (p99). {figures['recovery_s']} s after the last of them a request is served as on an idle
cluster. The queue holds what `--queue-wait` lets expect an answer within so many seconds, by how fast it moves.
"""
