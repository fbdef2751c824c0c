"""Routers and workers as processes of their own, and when they say what."""

import bisect
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "Deploy/test"))

from checks import free_port

APUS = Path(os.environ.get("APUS_TEST_BINARY", ROOT / ".build/release/apus"))
MODEL = Path(os.environ.get("APUS_TEST_MODEL", ROOT / ".models/SmolLM2-135M-Instruct.Q4_1.gguf"))
NAME = "chaos"


class Failure(Exception):
    """What did not happen, as a sentence."""


def wait_until(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"{what} did not happen within {seconds} s.")
        time.sleep(0.005)


class Program:
    """One apus process. Its lines are kept with the second at which they came."""

    def __init__(self, *arguments, prefix=()):
        self.lines = []
        self.process = subprocess.Popen(
            [str(word) for word in (*prefix, APUS, *arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.decode(errors="replace").rstrip()))

    @property
    def pid(self):
        return self.process.pid

    def said(self, pattern, since=0.0):
        """When a line that matches first came after `since`; None while none has."""
        expression = re.compile(pattern)
        for position in range(bisect.bisect_left(self.lines, (since, "")), len(self.lines)):
            at, line = self.lines[position]
            if expression.search(line):
                return at
        return None

    def count(self, pattern):
        expression = re.compile(pattern)
        return sum(1 for _, line in list(self.lines) if expression.search(line))

    def wait_for(self, pattern, since=0.0, seconds=30):
        try:
            wait_until(pattern, lambda: self.said(pattern, since) or self.process.poll() is not None, seconds)
        except Failure:
            pass
        at = self.said(pattern, since)
        if at is None and self.process.poll() is not None:
            # What it said last may not be read yet.
            self.reader.join(1)
            at = self.said(pattern, since)
        if at is None:
            last = "\n".join(line for _, line in self.lines[-10:])
            status = self.process.poll()
            state = "which runs" if status is None else f"which ended with {status}"
            raise Failure(f"'{pattern}' was not said by process {self.pid}, {state}; its last lines:\n{last}")
        return at

    def signal(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, seconds=60):
        return self.process.wait(seconds)

    def end(self):
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        self.process.wait(20)


def metric(url, name, label=""):
    """The sum of a metric's series whose labels contain `label`."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        text = answer.read().decode()
    rows = [line for line in text.splitlines() if re.match(re.escape(name) + r"[{ ]", line) and label in line]
    return sum(float(row.rsplit(" ", 1)[1]) for row in rows)


class Worker:
    """A worker that can be started again at the same address."""

    def __init__(self, index, network=None, model=MODEL, flags=()):
        self.index = index
        self.network = network
        self.model = model
        self.flags = flags
        self.host = network.worker_host if network else "127.0.0.1"
        self.port = 8101 if network else free_port()
        self.metrics_port = 8102 if network else free_port()
        self.program = None

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def metrics_url(self):
        return f"http://{self.host}:{self.metrics_port}/metrics"

    def start(self):
        self.program = Program(
            "worker", self.model, "--name", NAME, "--host", self.host, "--port", self.port,
            "--metrics-port", self.metrics_port, "--threads", 1, "--context-length", 2048, *self.flags,
            prefix=self.network.prefix if self.network else (),
        )

    def wait_until_serving(self):
        self.program.wait_for("serving")


class Router:
    """A router in front of workers."""

    def __init__(self, workers, flags=(), port=None, prefix=()):
        self.port = port or free_port()
        self.grpc_port = free_port()
        self.admin_port = free_port()
        addresses = ",".join(worker.address for worker in workers)
        self.program = Program(
            "router", "--worker-address", addresses, "--http-port", self.port, "--grpc-port", self.grpc_port,
            "--admin-port", self.admin_port, *flags, prefix=prefix,
        )
        self.program.wait_for("is ready")

    def metric(self, name, label=""):
        return metric(f"http://127.0.0.1:{self.admin_port}/metrics", name, label)

    def ready_count(self):
        return self.metric("apus_workers", 'state="ready"')

    def wait_for_workers(self, count, seconds=60):
        wait_until(f"{count} linked workers", lambda: self.ready_count() == count, seconds)

    def when(self, event, worker, since):
        """When the router said `event` of the worker; None while it has not. Details stand before the event's name."""
        return self.program.said(rf"address={re.escape(worker.address)}\b.*{event}", since)
