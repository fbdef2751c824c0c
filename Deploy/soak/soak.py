#!/usr/bin/env python3
"""A million requests through a router, while workers die, clients leave and certificates change: does anything stay?

    python3 Deploy/soak/soak.py [--requests 1000000]        writes its figures into Docs/soak.md

Workers answer at once (`apus bench worker`), so that it takes minutes. Needs wrk and h2load. Exits with 1 when a request
failed, or when memory, descriptors, threads or KV pages do not come back to where they were.
"""

import argparse
import contextlib
import datetime
import json
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "chaos"))

from programs import MODEL, ROOT, Failure, Program, Router, free_port, metric, wait_until

PAGE = ROOT / "Docs/soak.md"
LUA = ROOT / "Deploy/bench/router.lua"
WORKERS = 3
# Threads and pools are made when they are first wanted: everything happens a few times before the first look.
WARM_UP, WARM_UP_KILLS = 50_000, 4
# Requests are a thing of some kilobytes: a leak of one small object each shows at a hundredth of this.
GROWTH_PER_1000_MAX = 4096
KILL_SECONDS, RELOAD_SECONDS, SAMPLE_SECONDS = 4, 2, 2


class Authority:
    """Certificates of both sides of the link and of the API, which are made anew again and again."""

    def __init__(self, folder):
        self.folder = folder
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=soak")
        self.reloads = 0
        self.make()

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def make(self):
        for role in ("router", "worker"):
            (self.folder / "names").write_text(f"subjectAltName=IP:127.0.0.1,URI:spiffe://apus/{role}\n")
            self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "new.key",
                         "-out", "new.csr", "-subj", f"/CN={role}")
            self.openssl("x509", "-req", "-in", "new.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                         "-days", "2", "-extfile", "names", "-out", "new.pem")
            for kind in ("key", "pem"):
                os.replace(self.folder / f"new.{kind}", self.folder / f"{role}.{kind}")
        self.reloads += 1

    def link(self, role, peer):
        path = self.folder
        return ["--link-tls-cert", path / f"{role}.pem", "--link-tls-key", path / f"{role}.key", "--link-tls-ca",
                path / "ca.pem", "--link-tls-peer", f"spiffe://apus/{peer}"]

    def api(self):
        return ["--tls-cert", self.folder / "router.pem", "--tls-key", self.folder / "router.key"]


class Worker:
    def __init__(self, authority):
        self.flags = authority.link("worker", "router")
        self.port, self.metrics_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.start()

    def start(self):
        self.program = Program(
            "bench", "worker", MODEL, "--name", "m", "--port", self.port, "--metrics-port", self.metrics_port,
            "--log-level", "warning", *self.flags)

    def pages_used(self):
        return metric(f"http://127.0.0.1:{self.metrics_port}/metrics", "apus_kv_pages", 'state="used"')


def observe(program):
    """Bytes in memory, open descriptors and threads of a process."""
    process = Path(f"/proc/{program.pid}")
    return {
        "bytes": int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        "descriptors": len(os.listdir(process / "fd")), "threads": len(os.listdir(process / "task"))}


class Disturbance(threading.Thread):
    """Kills workers, replaces certificates and walks out of streams, until it is told to stop."""

    def __init__(self, workers, authority, router):
        super().__init__(daemon=True)
        self.workers, self.authority, self.router = workers, authority, router
        self.over = threading.Event()
        self.kills = self.left = 0
        self.failures = []

    def run(self):
        turns = [threading.Thread(target=self.again, args=each, daemon=True) for each in (
            (KILL_SECONDS, self.kill), (RELOAD_SECONDS, self.authority.make), (0.02, self.leave))]
        for turn in turns:
            turn.start()
        for turn in turns:
            turn.join()

    def again(self, pause, act):
        while not self.over.wait(pause):
            try:
                act()
            except (OSError, Failure) as failure:
                self.failures.append(f"{act.__name__}: {failure}")

    def kill(self):
        worker = self.workers[self.kills % len(self.workers)]
        worker.program.end()
        self.kills += 1
        worker.start()
        self.router.wait_for_workers(len(self.workers))

    def leave(self):
        context = ssl.create_default_context(cafile=self.authority.folder / "ca.pem")
        body = b'{"model":"m","prompt":"once upon a time","max_tokens":4000,"stream":true,"ignore_eos":true}'
        plain = socket.create_connection(("127.0.0.1", self.router.port), timeout=30)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            for _ in range(random.randint(0, 5)):
                client.recv(4096)
        self.left += 1

    def stop(self):
        self.over.set()
        self.join()


class Load:
    """Rounds of honest clients, over both versions of HTTP: every answer must be good."""

    def __init__(self, port):
        self.url = f"https://127.0.0.1:{port}"
        self.count = self.failed = 0
        self.body = tempfile.NamedTemporaryFile(suffix=".json")
        self.body.write(b'{"model":"m","prompt":"tell me about rivers","max_tokens":4}')
        self.body.flush()

    def first(self, seconds, tokens, streams):
        done = subprocess.run(
            ["wrk", "-t1", "-c64", f"-d{seconds}s", "--timeout", "60s", "-s", LUA, self.url, "--", str(tokens), streams],
            capture_output=True, text=True, check=True)
        words = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+)", done.stdout).groups()
        self.count += int(words[0])
        self.failed += int(words[3])

    def second(self, requests):
        done = subprocess.run(
            ["h2load", f"-n{requests}", "-c16", "-m8", "-d", self.body.name, "-H", "content-type: application/json",
             f"{self.url}/v1/completions"], capture_output=True, text=True, check=True)
        good = int(re.search(r"status codes: (\d+) 2xx", done.stdout)[1])
        self.count += good
        self.failed += requests - good

    def round(self):
        self.first(8, 1, "false")
        self.second(20_000)
        self.first(4, 24, "true")


class Samples(threading.Thread):
    """The router's memory beside the requests it has answered."""

    def __init__(self, router):
        super().__init__(daemon=True)
        self.router, self.rows, self.over = router, [], threading.Event()

    def run(self):
        while not self.over.wait(SAMPLE_SECONDS):
            with contextlib.suppress(OSError):
                self.rows.append((self.router.metric("apus_http_requests_total"), observe(self.router.program)))

    def slope(self):
        """Bytes for each request, by least squares over the second half."""
        rows = self.rows[len(self.rows) // 2:]
        if len(rows) < 3:
            return 0.0
        counts, sizes = [row[0] for row in rows], [row[1]["bytes"] for row in rows]
        middle, size = sum(counts) / len(rows), sum(sizes) / len(rows)
        spread = sum((count - middle) ** 2 for count in counts)
        return sum((count - middle) * (each - size) for count, each in zip(counts, sizes)) / spread if spread else 0.0


def settle(router, workers):
    """Waits until nothing runs, then looks."""
    wait_until("an idle router", lambda: router.metric("vllm:num_requests_running") == 0
               and router.metric("apus_http_connections") <= 1, 60)
    time.sleep(3)
    return {"router": observe(router.program), "worker": observe(workers[0].program),
            "pages": sum(worker.pages_used() for worker in workers)}


def soak(requests):
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        authority = Authority(Path(folder))
        workers = [Worker(authority) for _ in range(WORKERS)]
        for worker in workers:
            ends.callback(lambda worker=worker: worker.program.end())
        router = Router(workers, [*authority.link("router", "worker"), *authority.api(), "--log-level", "warning"])
        ends.callback(router.program.end)
        router.wait_for_workers(WORKERS)
        load, disturbance = Load(router.port), Disturbance(workers, authority, router)
        disturbance.start()
        while load.count < WARM_UP or disturbance.kills < WARM_UP_KILLS:
            load.round()
        disturbance.stop()
        router.wait_for_workers(WORKERS)
        before = settle(router, workers)
        samples, disturbance = Samples(router), Disturbance(workers, authority, router)
        samples.start()
        disturbance.start()
        start, warm = time.monotonic(), load.count
        while load.count - warm < requests:
            load.round()
            print(f"{load.count - warm} requests, {load.failed} failed, {disturbance.kills} kills, "
                  f"{router.metric('apus_sequence_moves_total'):.0f} moves", flush=True)
        seconds = time.monotonic() - start
        disturbance.stop()
        samples.over.set()
        samples.join()
        router.wait_for_workers(WORKERS)
        return {
            "date": datetime.date.today().isoformat(), "requests": load.count - warm, "failed": load.failed,
            "seconds": seconds, "kills": disturbance.kills, "left": disturbance.left, "reloads": authority.reloads,
            "moves": router.metric("apus_sequence_moves_total"), "before": before, "after": settle(router, workers),
            "slope": samples.slope(), "most": max(row[1]["bytes"] for row in samples.rows),
            "disturbance_failures": disturbance.failures}


def judge(result):
    before, after = result["before"], result["after"]
    wrong = [f"{result['failed']} requests failed"] if result["failed"] else []
    wrong += result["disturbance_failures"][:5]
    if result["slope"] * 1000 > GROWTH_PER_1000_MAX:
        wrong.append(f"the router grows by {result['slope'] * 1000:.0f} bytes for each 1000 requests")
    for what in ("descriptors", "threads"):
        if after["router"][what] > before["router"][what]:
            wrong.append(f"the router has {after['router'][what]} {what} and had {before['router'][what]}")
    if after["pages"]:
        wrong.append(f"{after['pages']:.0f} KV pages are in use by nobody")
    return wrong


def write(result):
    start, end = "<!-- figures: make soak -->\n", "<!-- end of figures -->"
    head, rest = PAGE.read_text().split(start)
    before, after = result["before"], result["after"]
    mebibytes = lambda count: f"{count / 2**20:.1f} MiB"
    rows = [
        ("requests, of which failed", f"{result['requests']:,}, {result['failed']}"),
        ("in", f"{result['seconds']:.0f} s, {result['requests'] / result['seconds']:,.0f} a second"),
        ("workers killed, sequences moved", f"{result['kills']}, {result['moves']:,.0f}"),
        ("clients that left in the middle", f"{result['left']:,}"),
        ("certificates replaced", f"{result['reloads']} times, all of them"),
        ("router's memory before, after, at most", ", ".join(
            map(mebibytes, (before["router"]["bytes"], after["router"]["bytes"], result["most"])))),
        ("its slope over the second half", f"{result['slope'] * 1000:.0f} bytes for 1,000 requests"),
        ("router's descriptors before, after", f"{before['router']['descriptors']}, {after['router']['descriptors']}"),
        ("router's threads before, after", f"{before['router']['threads']}, {after['router']['threads']}"),
        ("KV pages in use before, after", f"{before['pages']:.0f}, {after['pages']:.0f}"),
    ]
    table = "\n".join([f"Run on {result['date']}:", "", "| what | figure |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])
    PAGE.write_text(head + start + table + "\n" + end + rest.split(end)[1])
    print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--dry", action="store_true", help="leaves the page as it is")
    options = parser.parse_args()
    result = soak(options.requests)
    print(json.dumps(result, indent=1))
    if not options.dry:
        write(result)
    wrong = judge(result)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
