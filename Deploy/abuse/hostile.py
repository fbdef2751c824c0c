"""Sockets of attackers, and what became of them."""

import contextlib
import multiprocessing
import os
import resource
import selectors
import socket
import ssl
import subprocess
import time

from attacks import OPENING, PREFACE, frame, post2, request, settings

# Longest that a violation may go unpunished; slow attacks have the listener's own limits and this.
SECONDS_MAX = 1.0


class Outcome:
    """How a connection ended: after how many seconds, and what was said before."""

    def __init__(self, closed, seconds, said):
        self.closed, self.seconds, self.said = closed, seconds, said

    @property
    def status(self):
        return int(self.said[9:12]) if self.said.startswith(b"HTTP/1.1 ") else None


def connect(port, timeout=60.0, receive_buffer=None):
    made = socket.socket()
    made.settimeout(timeout)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.connect(("127.0.0.1", port))
    return made


def until_closed(made, start):
    """Reads until the other side closes or resets."""
    said = b""
    try:
        while data := made.recv(65536):
            said = (said + data)[-65536:]
    except TimeoutError:
        return Outcome(False, time.monotonic() - start, said)
    except OSError:
        pass
    return Outcome(True, time.monotonic() - start, said)


def refused(port, attack):
    with connect(port, timeout=20) as made:
        start = time.monotonic()
        with contextlib.suppress(OSError):
            made.sendall(attack.data)
        return until_closed(made, start)


def flood(port, attack, seconds=10.0):
    """Bursts until the connection takes no more: seconds from the first burst to its end, and bytes sent."""
    with connect(port, timeout=seconds) as made:
        made.sendall(attack.opening)
        start, index, count = time.monotonic(), 1, 0
        try:
            while time.monotonic() - start < seconds:
                burst = b"".join(attack.burst(index + place) for place in range(20))
                made.sendall(burst)
                index, count = index + 20, count + len(burst)
            return Outcome(False, time.monotonic() - start, b"")
        except OSError:
            return Outcome(True, time.monotonic() - start, b"")


def dripped(port, whole, pause=0.5, start=b""):
    """A byte now and then, until the connection is closed."""
    with connect(port, timeout=pause) as made:
        began, said = time.monotonic(), b""
        try:
            made.sendall(start)
            for byte in whole:
                made.sendall(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    data = made.recv(65536)
                    if not data:
                        return Outcome(True, time.monotonic() - began, said)
                    said += data
        except OSError:
            return Outcome(True, time.monotonic() - began, said)
        return Outcome(False, time.monotonic() - began, said)


def silent(port, start=b"", timeout=60.0):
    """Says something or nothing, then waits."""
    with connect(port, timeout) as made:
        began = time.monotonic()
        made.sendall(start)
        return until_closed(made, began)


def never_reads(port, start, timeout=60.0):
    """Asks for much and reads nothing: closed when sending fails, or when nothing was left to read but an end."""
    with connect(port, timeout, receive_buffer=4096) as made:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            made.sendall(start)
        while time.monotonic() - began < timeout:
            time.sleep(0.25)
            try:
                made.sendall(frame(6, 0, 0, bytes(8)))
            except OSError:
                return Outcome(True, time.monotonic() - began, b"")
        return Outcome(False, time.monotonic() - began, b"")


def zero_window(port, body):
    """A stream whose window stays shut: seconds until the server ends the stream."""
    ask = post2(1) + frame(0, 1, 1, body)
    with connect(port) as made:
        began = time.monotonic()
        made.sendall(PREFACE + settings((4, 0)) + ask)
        said, opened = b"", frame(3, 0, 1)[3:9]
        try:
            while data := made.recv(65536):
                said += data
                # RST_STREAM of stream 1.
                if opened in said or b"\x07\x00\x00\x00\x00\x00" in said:
                    return Outcome(True, time.monotonic() - began, said)
        except OSError:
            pass
        return Outcome(False, time.monotonic() - began, said)


def half_message(port):
    """A call of gRPC whose message never ends: seconds until the server resets its stream."""
    call = request(
        1, False, (b"content-type", b"application/grpc"), (b"te", b"trailers"), method=b"POST",
        path=b"/grpc.health.v1.Health/Check")
    with connect(port) as made:
        began, said = time.monotonic(), b""
        made.sendall(OPENING + call + frame(0, 0, 1, b"\0\0\0\1\0" + bytes(99)))
        with contextlib.suppress(OSError):
            while data := made.recv(65536):
                said += data
                if b"\0\0\4\3\0\0\0\0\1" in said:
                    return Outcome(True, time.monotonic() - began, said)
        return Outcome(False, time.monotonic() - began, said)


@contextlib.contextmanager
def squatting(port, count, address="127.0.0.2", seconds=20):
    """Connections of one address, each of which asks once and stays: how many of them the server lets stay."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    waiting, kept = selectors.DefaultSelector(), []
    with contextlib.ExitStack() as ends:
        for _ in range(count):
            made = ends.enter_context(socket.socket())
            made.settimeout(seconds)
            made.bind((address, 0))
            with contextlib.suppress(OSError):
                made.connect(("127.0.0.1", port))
                made.sendall(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
                waiting.register(made, selectors.EVENT_READ)
        deadline = time.monotonic() + seconds
        while waiting.get_map() and time.monotonic() < deadline:
            for key, _ in waiting.select(1):
                waiting.unregister(key.fileobj)
                with contextlib.suppress(OSError):
                    if key.fileobj.recv(4096):
                        kept.append(key.fileobj)
        yield len(kept)


def half_closed(port):
    """Asks, and closes its half: an answer or none, but an end."""
    with connect(port, timeout=20) as made:
        start = time.monotonic()
        made.sendall(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
        made.shutdown(socket.SHUT_WR)
        return until_closed(made, start)


def renegotiated(port):
    """A TLS 1.2 client that asks for another handshake, which Python cannot: by openssl's command."""
    start = time.monotonic()
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"], input=b"R\n", capture_output=True, timeout=30)
    refused = b"RENEGOTIATING" in done.stdout + done.stderr and b"no renegotiation" in done.stdout + done.stderr
    return Outcome(refused or done.returncode != 0, time.monotonic() - start, done.stderr)


def old_tls(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    start = time.monotonic()
    try:
        with connect(port) as made, context.wrap_socket(made):
            return Outcome(False, time.monotonic() - start, b"")
    except OSError:
        return Outcome(True, time.monotonic() - start, b"")


class Crowd:
    """Attackers that come back as often as they are closed, each in a process of its own, while a block runs."""

    def __init__(self, port, floods, cpus):
        self.counts = [multiprocessing.Value("l", 0) for _ in floods]
        self.processes = [
            multiprocessing.Process(target=self.attack, args=(port, each, count, cpus), daemon=True)
            for each, count in zip(floods, self.counts)]

    @staticmethod
    def attack(port, attack, count, cpus):
        # Attackers have machines of their own: here they take what the others leave.
        os.sched_setaffinity(0, cpus)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while True:
            with contextlib.suppress(OSError):
                flood(port, attack)
            count.value += 1

    def __enter__(self):
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.join()

    @property
    def connections(self):
        return sum(count.value for count in self.counts)
