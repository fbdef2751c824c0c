"""Measures apus serve and llama-server in turn under 1, 8 and 32 streams, over HTTP; medians over rounds go to
.bench/results/serving.json.

    .bench/venv/bin/python Deploy/bench/serving.py [--rounds 3] [--threads N] [--model 135m-q4_1]
"""

import argparse
import datetime
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

from common import APUS, LLAMA, output, save, undisturbed
from models import NAMES, path_of, prepare

PORT = 18000
STREAMS = [1, 8, 32]
PROMPT, OUTPUT = 128, 64


class Server:
    """A server process, from ready to gone."""

    def __init__(self, ready_path, *command):
        self.url = f"http://127.0.0.1:{ready_path}"
        self.command = [str(part) for part in command]

    def __enter__(self):
        if self.is_ready():
            raise RuntimeError(f"{self.url} answers already: another server has the port")
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self.is_ready():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.__exit__()
                raise RuntimeError(f"{self.command[0]} did not get ready")
            time.sleep(0.1)

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url, timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def servers(name, threads):
    most = STREAMS[-1]
    return {
        "Apus": Server(
            f"{PORT + 2}/readyz", APUS, "serve", path_of(name), "--name", "bench", "--workers", 1, "--threads", threads,
            "--http-port", PORT, "--grpc-port", PORT + 1, "--admin-port", PORT + 2, "--log-level", "error"),
        "llama.cpp": Server(
            f"{PORT}/health", LLAMA / "llama-server", "-m", path_of(name), "-t", threads, "--parallel", most,
            "-c", most * 512, "--port", PORT, "--alias", "bench"),
    }


def load(streams, requests):
    return json.loads(output(
        APUS, "bench", "--url", f"http://127.0.0.1:{PORT}", "--model", "bench", "--concurrency", streams,
        "--requests", requests, "--prompt-tokens", PROMPT, "--output-tokens", OUTPUT, "--seed", streams))


def loads(server):
    """What each number of streams gets from a server that runs for this alone."""
    with server:
        load(2, 4)
        return {streams: load(streams, max(8, streams * 3)) for streams in STREAMS}


def measure(name, rounds, threads):
    lines, shares = {}, {}
    for _ in range(rounds):
        for server, process in servers(name, threads).items():
            try:
                measured, share = undisturbed(lambda: loads(process))
                shares.setdefault(server, []).append(share)
                for streams, line in measured.items():
                    lines.setdefault((server, streams), []).append(line)
                    print(f"{server:10}{streams} streams: {line['output_tokens_per_s']:.0f} tokens/s", flush=True)
            except Exception as error:  # whatever ails a peer
                if server == "Apus":
                    raise
                print(f"{server}: {error}", file=sys.stderr)

    def median(key, measured):
        return statistics.median(key(line) for line in measured)

    return {
        "model": name, "threads": threads, "rounds": rounds, "date": datetime.date.today().isoformat(),
        "others_share": {server: statistics.median(measured) for server, measured in shares.items()},
        "rows": [
            {"server": server, "streams": streams,
             "tokens_per_s": median(lambda line: line["output_tokens_per_s"], measured),
             "ttft_p99_ms": median(lambda line: line["ttft_ms"]["p99"], measured),
             "itl_p99_ms": median(lambda line: line["itl_ms"]["p99"], measured)}
            for (server, streams), measured in lines.items()]}


def read_options(description):
    """Of a measurement with one model, which is there afterwards."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=NAMES, default="135m-q4_1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    prepare([options.model])
    return options


def main():
    options = read_options(__doc__)
    save("serving", measure(options.model, options.rounds, options.threads))


if __name__ == "__main__":
    main()
