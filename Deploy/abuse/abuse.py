#!/usr/bin/env python3
"""Attacks a router as hostile clients do, and looks whether it throws them out and serves the others as before.

    python3 Deploy/abuse/abuse.py            all of it; writes its figures into Docs/security.md
    python3 Deploy/abuse/abuse.py --short    looks only whether attackers are refused; writes nothing

Exits with 1 when a connection stays open that must not, when an answer is another than demanded or, without --short,
when a limit of time or memory is passed.
"""

import argparse
import concurrent.futures
import contextlib
import datetime
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "chaos"))

import hostile
import victims
from attacks import FLOODS, HTTP1, OPENING, PREFACE, frame
from programs import MODEL, ROOT, Failure, Program, Router, free_port

PAGE = ROOT / "Docs/security.md"
# A token each 10 ms.
STEP_MILLISECONDS = 10
# Others may wait so many times as long for a token, at the 99th percentile; the router may grow by so many bytes.
RATIO_MAX, GROWTH_MAX = 1.2, 64 << 20
# The turns without attackers, which say how much the machine itself varies.
NOBODY = "nobody"
COMPLETION = b'{"model":"m","prompt":"a","max_tokens":8000,"n":8,"logprobs":20,"ignore_eos":true,"stream":true}'


class Worker:
    """A worker that answers at its own pace, without a model."""

    def __init__(self, pace):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.program = Program(
            "bench", "worker", MODEL, "--name", "m", "--port", self.port, "--metrics-port",
            free_port(), *pace)
        self.program.wait_for("serving")


def certificate(folder):
    paths = [f"{folder}/key.pem", f"{folder}/cert.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", paths[0], "-out", paths[1], "-subj", "/CN=h"], check=True, capture_output=True)
    return paths


@contextlib.contextmanager
def cluster(pace):
    """A router without TLS and one with it, in front of one worker."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        key, chain = certificate(folder)
        worker = Worker(pace)
        ends.callback(worker.program.end)
        routers = [Router([worker]), Router([worker], ["--tls-cert", chain, "--tls-key", key])]
        for router in routers:
            ends.callback(router.program.end)
            router.wait_for_workers(1)
        yield worker, *routers


def resident(program):
    return int(Path(f"/proc/{program.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Findings:
    """What was seen, a row each, and what was wrong with it."""

    def __init__(self, timed):
        self.rows, self.wrong, self.timed = [], [], timed

    def add(self, kind, name, outcome, limit, demand=None):
        problem = None
        if not outcome.closed:
            problem = f"stays open for {outcome.seconds:.1f} s"
        elif demand:
            problem = demand(outcome)
        if not problem and self.timed and outcome.seconds > limit:
            problem = f"is closed after {outcome.seconds:.1f} s, not within {limit:.0f} s"
        self.rows.append((kind, name, outcome.seconds, limit))
        if problem:
            self.wrong.append(f"{kind}, {name}: {problem}")


def answers(attack):
    def demand(outcome):
        if (count := len(re.findall(rb"HTTP/1\.1 \d\d\d ", outcome.said))) > 1:
            return f"{count} answers to one request"
        # A reset may take the answer with it where much was left unread.
        if outcome.status not in attack.statuses and not (outcome.status is None and len(attack.data) > 16 << 10):
            return f"is answered by {outcome.status}, not {attack.statuses}"
    return demand


def http1(port, findings):
    for attack in HTTP1:
        findings.add("HTTP/1.1", attack.name, hostile.refused(port, attack), hostile.SECONDS_MAX, answers(attack))
    findings.add("HTTP/1.1", "half closed", hostile.half_closed(port), hostile.SECONDS_MAX)


def http2(port, link_port, findings):
    for attack in FLOODS:
        findings.add("HTTP/2", attack.name, hostile.flood(port, attack), hostile.SECONDS_MAX)
    # Between routers and workers more is allowed of what an honest router may do by the thousand.
    for attack in FLOODS:
        if attack.name in ("rapid reset", "CONTINUATION", "SETTINGS with a hundred entries", "frames larger than allowed"):
            findings.add("HTTP/2 on a worker's link", attack.name, hostile.flood(link_port, attack), hostile.SECONDS_MAX)


def slow(plain, tls, grpc, findings, short):
    """All at once: they take long by themselves. Limits are those of HTTPTimeouts, and a second."""
    big = b'{"model":"m","prompt":"' + b"a" * 20000 + b'"}'
    head = b"POST /v1/completions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    cases = [
        ("no byte", 5, lambda: hostile.silent(plain)),
        ("a head, byte by byte", 10, lambda: hostile.dripped(plain, b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"b" * 99)),
        ("a head that never ends", 10, lambda: hostile.silent(plain, b"GET / HTTP/1.1\r\n")),
        ("HTTP/2's preface, byte by byte", 5, lambda: hostile.dripped(plain, PREFACE)),
        ("a head of HTTP/2 that never ends", 10, lambda: hostile.silent(plain, OPENING + frame(1, 0, 1, b"\x82"))),
        ("no handshake", 5, lambda: hostile.silent(tls)),
        ("a handshake, byte by byte", 5, lambda: hostile.dripped(tls, b"\x16\x03\x01\x02\x00\x01" + bytes(99))),
        ("HTTP where TLS is", 1, lambda: hostile.silent(tls, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")),
        ("bytes that are no TLS", 1, lambda: hostile.silent(tls, bytes(range(256)) * 8)),
        ("TLS 1.1", 1, lambda: hostile.old_tls(tls)),
        ("renegotiation", 1, lambda: hostile.renegotiated(tls)),
        ("a message of gRPC that never ends", 5, lambda: hostile.half_message(grpc)),
    ]
    if not short:
        cases += [
            ("a body, byte by byte", 6, lambda: hostile.dripped(plain, big, 0.1, head % len(big))),
            ("a body that never comes", 6, lambda: hostile.silent(plain, head % 9)),
            ("an answer of HTTP/1.1 that nobody reads", 60, lambda: hostile.never_reads(
                plain, head % len(COMPLETION) + COMPLETION, 90)),
            ("an answer of HTTP/2 without a window", 60, lambda: hostile.zero_window(plain, COMPLETION)),
        ]
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        turns = [(name, limit, pool.submit(attack)) for name, limit, attack in cases]
        for name, limit, turn in turns:
            findings.add("slow or wrong", name, turn.result(), limit + hostile.SECONDS_MAX)


def served(port, path=b"/livez"):
    """An honest client is answered."""
    with hostile.connect(port, timeout=20) as made:
        made.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        return hostile.until_closed(made, 0).status == 200


def crowded(worker, findings, name, count, prefix=()):
    """One address opens more connections than there may be, and keeps them. Others, probes and the worker's link must have
    theirs, before and after the router runs out of descriptors all the same."""
    router = Router([worker], prefix=prefix)
    try:
        router.wait_for_workers(1)
        start = time.monotonic()
        with hostile.squatting(router.port, count) as kept:
            seconds = time.monotonic() - start
            wrong = [what for what, port, path in (
                ("another address is not served", router.port, b"/livez"),
                ("the admin port does not answer", router.admin_port, b"/livez"),
                ("the worker is lost", router.port, b"/readyz")) if not served(port, path)]
            _, hard = resource.prlimit(router.program.pid, resource.RLIMIT_NOFILE)
            # Half of what the port takes, which is three eighths of the descriptors and 10,000 at most.
            allowed = min(10_000, hard // 8 * 3) // 2
            if not allowed * 0.9 < kept <= allowed:
                wrong.append(f"{kept} connections stay open, not {allowed}")
            resource.prlimit(router.program.pid, resource.RLIMIT_NOFILE, (8, hard))
            with hostile.connect(router.port) as late:
                late.sendall(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
                busy = cpu_seconds(router.program)
                time.sleep(2)
                if (busy := cpu_seconds(router.program) - busy) > 0.2 and findings.timed:
                    wrong.append(f"without descriptors the router computes for {busy:.1f} of 2 s")
                resource.prlimit(router.program.pid, resource.RLIMIT_NOFILE, (hard, hard))
                if b"200 OK" not in late.recv(4096):
                    wrong.append("who came while there were no descriptors is not served when there are")
        findings.add("connections", name, hostile.Outcome(True, seconds, b""), 60)
        findings.wrong += [f"{name}: {what}" for what in wrong]
    finally:
        router.program.end()


def cpu_seconds(program):
    """That a program has computed for."""
    fields = Path(f"/proc/{program.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def confine(program, cpu, leftover=False):
    """Puts all threads of a program on one CPU, where it takes what the others leave if it is told to."""
    for thread in map(int, os.listdir(f"/proc/{program.pid}/task")):
        os.sched_setaffinity(thread, {cpu})
        if leftover:
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


def latencies(router, worker, seconds, rounds):
    """Others' wait for a token under each kind of attack, beside the wait without one, measured in turn.

    Attackers are short of CPUs of their own here, and so slow the worker and the honest clients by what they do
    themselves. So each crowd also attacks another router, which nobody else uses: what is added to that is the attack's.
    """
    first, second = sorted(os.sched_getaffinity(0))[:2]
    decoy = Router([worker])
    decoy.wait_for_workers(1)
    confine(router.program, first)
    confine(worker.program, second)
    confine(decoy.program, second, leftover=True)
    crowds = {NOBODY: [], **{each.name: [each] * 2 for each in FLOODS if each.name in (
        "rapid reset", "CONTINUATION", "PING", "headers that unpack to megabytes")}, "one of each": FLOODS}
    waits = {name: [] for name in crowds}
    try:
        for _ in range(rounds):
            for name, floods in crowds.items():
                before = resident(router.program)
                elsewhere = victims.measure(
                    router.port, {second}, seconds, hostile.Crowd(decoy.port, floods, {second}))
                crowd = hostile.Crowd(router.port, floods, {second})
                here = victims.measure(router.port, {second}, seconds, crowd)
                waits[name].append(Wait(here, elsewhere, crowd.connections, resident(router.program) - before))
    finally:
        decoy.program.end()
    return waits


class Wait:
    """What honest clients saw in one turn, times in seconds."""

    def __init__(self, here, elsewhere, connections, growth):
        (self.p99, self.p50, self.ended), self.elsewhere = here, elsewhere[0]
        self.connections, self.growth = connections, growth

    @property
    def ratio(self):
        return self.p99 / self.elsewhere


def write(findings, waits, growth):
    start, end = "<!-- figures: make abuse -->\n", "<!-- end of figures -->"
    head, rest = PAGE.read_text().split(start)
    kinds = {}
    for kind, name, seconds, limit in findings.rows:
        kinds.setdefault((kind, limit), []).append((seconds, name))
    lines = [f"Measured on {datetime.date.today()}:", "", "| attacks | of them | closed after, at most | demanded |", "|---|---|---|---|"]
    for (kind, limit), rows in kinds.items():
        slowest, name = max(rows)
        lines.append(f"| {kind} | {len(rows)} | {slowest:.2f} s ({name}) | {limit:.0f} s |")
    lines += ["", f"The router's memory grew by {growth / 2**20:.1f} MiB in all of that.", "",
              "| under attack by | connections that were thrown out | others' gap between tokens, p50 | p99 | "
              "p99 while another router is attacked | ratio |", "|---|---|---|---|---|---|"]
    for name, turns in waits.items():
        connections = sum(turn.connections for turn in turns)
        p50, p99, elsewhere, ratio = (
            statistics.median(getattr(turn, what) for turn in turns) for what in ("p50", "p99", "elsewhere", "ratio"))
        lines.append(f"| {name} | {connections} | {p50 * 1e3:.2f} ms | {p99 * 1e3:.2f} ms | {elsewhere * 1e3:.2f} ms | {ratio:.2f} |")
    lines += ["", f"Medians of {len(turns)} turns."]
    PAGE.write_text(head + start + "\n".join(lines) + "\n" + end + rest.split(end)[1])
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement of others' waits")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    findings = Findings(timed=not options.short)
    with cluster([] if options.short else ["--step-time", STEP_MILLISECONDS]) as (worker, plain, tls):
        served(plain.port)
        before = resident(plain.program)
        http1(plain.port, findings)
        http2(plain.port, worker.port, findings)
        slow(plain.port, tls.port, plain.grpc_port, findings, options.short)
        crowded(worker, findings, "of one address, with few descriptors", 500, ("prlimit", "--nofile=64:512"))
        if not options.short:
            crowded(worker, findings, "of one address", 12_000)
        growth = resident(plain.program) - before
        for router in (plain, tls):
            if router.program.process.poll() is not None:
                findings.wrong.append("a router ended")
        if not served(plain.port):
            findings.wrong.append("an honest client is not served")
        if growth > GROWTH_MAX:
            findings.wrong.append(f"the router grew by {growth >> 20} MiB")
        if not options.short:
            waits = latencies(plain, worker, options.seconds, options.rounds)
            for name, turns in waits.items():
                ratio, ended = statistics.median(turn.ratio for turn in turns), sum(turn.ended for turn in turns)
                if name == NOBODY and ratio > RATIO_MAX and not ended:
                    findings.wrong.append(
                        f"nobody attacked, and others waited {ratio:.2f} times as long: the machine is too busy to tell")
                elif ratio > RATIO_MAX or ended:
                    findings.wrong.append(f"under {name} others wait {ratio:.2f} times as long, {ended} were cut off")
            write(findings, waits, growth)
    for wrong in findings.wrong:
        print(wrong, file=sys.stderr)
    print(f"{len(findings.rows)} attacks, {len(findings.wrong)} findings")
    sys.exit(bool(findings.wrong))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
