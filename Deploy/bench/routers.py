"""Apus' router beside others, each alone on one CPU; clients and what answers at once are on the other. Once more for each
with all of them on one CPU, which does not sleep then.

    Deploy/bench/routers.py [--rounds 3] [--seconds 3]

Writes .bench/results/routers.json; router_report.py makes a page of it. Needs two CPUs, nginx and wrk.
"""

import argparse
import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import router_profile
from common import IMAGE_APUS as APUS, ROOT, Neighbours, save
from machine import processor

MODEL = ROOT / ".models/SmolLM2-135M-Instruct.Q4_1.gguf"
VENV = ROOT / ".bench/router-venv/bin"
HERE = Path(__file__).parent
ROUTER_CPU, OTHER_CPU = "0", "1"
PORT, BACKEND, WORKER = 29400, 29410, 29420
ANSWER = (
    '{"id":"chatcmpl-0","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"our"},"finish_reason":"length"}],"usage":{"prompt_tokens":39,'
    '"completion_tokens":1,"total_tokens":40}}')
STREAMS, STREAM_TOKENS, IDLE = 256, 1000, 2000


def image_environment():
    """What Apus' image sets, but for addresses."""
    lines = re.findall(r"^ENV (\w+)=(.*)$", (ROOT / "Dockerfile").read_text(), re.M)
    return {name: value for name, value in lines if not name.startswith("APUS_")}


@contextlib.contextmanager
def running(cpu, *command, environment=()):
    """A process on one CPU, killed at the end: nothing here has anything to lose."""
    process = subprocess.Popen(
        ["taskset", "-c", cpu, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, env=os.environ | dict(environment))
    try:
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def nginx(cpu, role, port, rules):
    with tempfile.TemporaryDirectory() as folder:
        text = (HERE / "router-nginx.conf").read_text()
        for name, value in {"FOLDER": folder, "ROLE": role, "PORT": port, "BACKEND": BACKEND, "RULES": rules}.items():
            text = text.replace(f"@{name}@", str(value))
        # Written by root, read by workers who are not.
        os.chmod(folder, 0o755)
        path = Path(folder) / "nginx.conf"
        path.write_text(text)
        with running(cpu, shutil.which("nginx") or "/usr/sbin/nginx", "-c", path) as pid:
            yield pid


@contextlib.contextmanager
def apus(cpu):
    with running(OTHER_CPU, APUS, "bench", "worker", MODEL, "--name", "m", "--port", WORKER,
                 "--metrics-port", WORKER + 1, "--log-level", "warning"), \
            running(cpu, APUS, "router", "--http-port", PORT, "--grpc-port", PORT + 1, "--admin-port", PORT + 2,
                    "--worker-address", f"127.0.0.1:{WORKER}", "--log-level", "warning",
                    environment=image_environment()) as pid:
        yield pid


@contextlib.contextmanager
def backend(cpu=OTHER_CPU):
    rules = "location / { return 200 '" + ANSWER + "'; }"
    with nginx(cpu, "backend", BACKEND, rules) as pid:
        yield pid


@contextlib.contextmanager
def vllm_router(cpu):
    with backend(), running(
            cpu, VENV / "vllm-router", "--port", PORT, "--host", "127.0.0.1", "--policy", "round_robin",
            "--log-level", "warning", "--prometheus-port", PORT + 1, "--worker-urls",
            f"http://127.0.0.1:{BACKEND}") as pid:
        yield pid


@contextlib.contextmanager
def sglang_router(cpu):
    with backend(), running(
            cpu, VENV / "smg", "launch", "--port", PORT, "--host", "127.0.0.1", "--policy", "round_robin",
            "--log-level", "warn", "--prometheus-port", PORT + 1, "--disable-health-check", "--worker-urls",
            f"http://127.0.0.1:{BACKEND}") as pid:
        yield pid


@contextlib.contextmanager
def nginx_proxy(cpu):
    rules = ('location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";'
             " proxy_buffering off; }")
    with backend(), nginx(cpu, "proxy", PORT, rules) as pid:
        yield pid


ROUTERS = {"Apus": apus, "vllm-router": vllm_router, "sglang-router": sglang_router, "nginx": nginx_proxy}


def family(pid):
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [each for child in children for each in family(int(child))]


def cpu_seconds(pid):
    total = 0
    for member in family(pid):
        for task in Path(f"/proc/{member}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_bytes(pid):
    pages = sum(int(Path(f"/proc/{member}/statm").read_text().split()[1]) for member in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE")


def wait_for(port, seconds=30):
    """Until a chat is answered."""
    body = b'{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":1}'
    end = time.monotonic() + seconds
    while True:
        try:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/chat/completions", body, {"content-type": "application/json"})
            urllib.request.urlopen(request, timeout=2).read()
            return
        except OSError:
            if time.monotonic() > end:
                raise RuntimeError(f"nothing answers on port {port}") from None
            time.sleep(0.1)


def wrk(port, connections, seconds, *arguments):
    """Requests answered, seconds, median latency in µs."""
    done = subprocess.run(
        ["taskset", "-c", OTHER_CPU, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s",
         HERE / "router.lua", f"http://127.0.0.1:{port}", "--", *map(str, arguments)],
        capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    requests, microseconds, median, errors = map(int, line.split()[1:])
    if errors:
        raise RuntimeError(f"wrk saw {errors} errors")
    return requests, microseconds / 1e6, median


def link_median(turns=5000):
    """Median latency in µs of the worker of Apus' router, asked over its link as the router does, with none between."""
    done = subprocess.run(
        ["taskset", "-c", OTHER_CPU, APUS, "bench", "link", "--worker-address", f"127.0.0.1:{WORKER}", "--turns",
         str(turns)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["answer_ms"]["p50"] * 1e3


def woken_median(seconds=1):
    """Median latency in µs of what answers at once, asked from the other CPU: each has to be woken by the other."""
    with backend(ROUTER_CPU):
        wait_for(BACKEND)
        return wrk(BACKEND, 1, seconds, 1)[2]


def load(pid, connections, seconds, *arguments):
    before = cpu_seconds(pid)
    requests, duration, median = wrk(PORT, connections, seconds, *arguments)
    return {"rate": requests / duration, "median_us": median,
            "cpu_us": (cpu_seconds(pid) - before) * 1e6 / max(1, requests)}


def generated_tokens():
    """What Apus' router has counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT + 2}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:generation_tokens_total{"))


def stream_load(pid, seconds):
    """Counted by the router: wrk knows nothing of streams that its end cuts short."""
    tokens, cpu, start = generated_tokens(), cpu_seconds(pid), time.monotonic()
    wrk(PORT, STREAMS, seconds, STREAM_TOKENS, "true")
    tokens, cpu, duration = generated_tokens() - tokens, cpu_seconds(pid) - cpu, time.monotonic() - start
    return {"tokens_per_s": tokens / duration, "cpu_us_per_token": cpu * 1e6 / max(1, tokens)}


def idle_bytes(pid):
    """Memory for each of many connections that have asked once and wait."""
    ask = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"
    before = resident_bytes(pid)
    connections = []
    try:
        for _ in range(IDLE):
            connection = socket.create_connection(("127.0.0.1", PORT))
            connection.sendall(ask)
            connection.recv(65536)
            connections.append(connection)
        time.sleep(1)
        return (resident_bytes(pid) - before) / IDLE
    finally:
        for connection in connections:
            connection.close()


@contextlib.contextmanager
def warm(name, cpu):
    with ROUTERS[name](cpu) as pid:
        wait_for(PORT)
        wrk(PORT, 64, 1, 1)
        yield pid


def measure(name, seconds):
    with warm(name, OTHER_CPU) as pid:
        together = load(pid, 1, seconds, 1)
    with warm(name, ROUTER_CPU) as pid:
        result = {"together": together, "one": load(pid, 1, seconds, 1), "many": load(pid, 64, seconds, 1)}
        if name == "Apus":
            result["direct_median_us"] = link_median()
            wrk(PORT, 16, 1, STREAM_TOKENS, "true")
            result["streams"] = stream_load(pid, seconds + 2)
        else:
            result["direct_median_us"] = wrk(BACKEND, 1, 1, 1)[2]
    with ROUTERS[name](ROUTER_CPU) as pid:
        wait_for(PORT)
        result["idle_bytes"] = idle_bytes(pid)
    return result


def profile(seconds=4):
    """Shares of the router's time under load: chats of one token, and streams."""
    shares = {}
    with apus(ROUTER_CPU) as pid, tempfile.TemporaryDirectory() as folder:
        wait_for(PORT)
        for name, arguments in {"request": (64, seconds, 1), "token": (STREAMS, seconds, STREAM_TOKENS, "true")}.items():
            data = Path(folder) / name
            recorder = subprocess.Popen(
                ["perf", "record", "-F", "1999", "-g", "-p", str(pid), "-o", data, "--", "sleep", str(seconds)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wrk(PORT, *arguments)
            recorder.wait()
            shares[name] = router_profile.shares(data)
    return shares


def median(rounds, *keys):
    values = []
    for value in rounds:
        for key in keys:
            value = value[key]
        values.append(value)
    return statistics.median(values)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    arguments = parser.parse_args()
    rounds = {name: [] for name in ROUTERS}
    woken = []
    with Neighbours() as neighbours:
        for turn in range(arguments.rounds):
            woken.append(woken_median())
            for name in ROUTERS:
                rounds[name].append(measure(name, arguments.seconds))
                print(turn + 1, name, rounds[name][-1], flush=True)
    rows = {
        name: {key: {part: median(results, key, part) for part in results[0][key]}
               for key in ("together", "one", "many", "streams") if key in results[0]}
        | {key: median(results, key) for key in ("direct_median_us", "idle_bytes")}
        for name, results in rounds.items()}
    save("routers", {
        "date": datetime.date.today().isoformat(), "processor": processor(), "rounds": arguments.rounds,
        "seconds": arguments.seconds, "others_share": neighbours.share, "streams": STREAMS,
        "stream_tokens": STREAM_TOKENS, "idle": IDLE, "rows": rows,
        "woken_median_us": statistics.median(woken),
        "commit": subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True,
                                 text=True).stdout.strip(),
        "profile": profile() if shutil.which("perf") else None})


if __name__ == "__main__":
    main()
