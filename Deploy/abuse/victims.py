"""Honest clients, who read their streams while others attack: how long each waits between tokens."""

import multiprocessing
import os
import selectors
import socket
import time

STREAMS = 8


def ask(port):
    made = socket.create_connection(("127.0.0.1", port))
    body = b'{"model":"m","prompt":"once upon a time","max_tokens":6000,"stream":true,"ignore_eos":true}'
    made.sendall(
        b"POST /v1/completions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body))
    made.setblocking(False)
    return made


def read(port, cpus, start, seconds, results):
    """Gaps between tokens of all streams, in seconds, from `start` on; None for a stream that ended."""
    os.sched_setaffinity(0, cpus)
    waiting = selectors.DefaultSelector()
    latest = {}
    for _ in range(STREAMS):
        stream = ask(port)
        waiting.register(stream, selectors.EVENT_READ)
        latest[stream] = None
    gaps = []
    start.wait()
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        for key, _ in waiting.select(timeout=end - now):
            data = key.fileobj.recv(65536)
            at = time.monotonic()
            if not data:
                waiting.unregister(key.fileobj)
                gaps.append(None)
                continue
            if b"data: " not in data:
                continue
            if latest[key.fileobj] is not None:
                gaps.append(at - latest[key.fileobj])
            latest[key.fileobj] = at
    results.put(gaps)


def measure(port, cpus, seconds, during):
    """The 99th and 50th percentile of gaps, in seconds, while `during` runs.

    - Returns: also how many streams ended, which should be none.
    """
    start, results = multiprocessing.Event(), multiprocessing.Queue()
    reader = multiprocessing.Process(target=read, args=(port, cpus, start, seconds, results))
    reader.start()
    time.sleep(0.5)
    with during:
        time.sleep(0.5)
        start.set()
        gaps = results.get(timeout=seconds + 30)
    reader.join()
    ended = gaps.count(None)
    gaps = sorted(gap for gap in gaps if gap is not None)
    if not gaps:
        return None, None, ended
    return gaps[int(len(gaps) * 0.99)], gaps[len(gaps) // 2], ended
