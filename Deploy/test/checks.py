"""What the checks of this folder share: expectations that are counted, a verdict at the end, and ports."""

import contextlib
import random
import socket
import sys

complaints: list[str] = []
checks = 0


def expect(holds: bool, complaint: str) -> None:
    global checks
    checks += 1
    if not holds:
        complaints.append(complaint)


def free_port() -> int:
    """One that nobody listens on now, at any address, and that no connection gets: the system gives those from 32768 on
    to clients."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", random.randrange(12000, 32000)))
            return probe.getsockname()[1]


def conclude() -> None:
    """Prints what did not hold, and ends the program: with 1 when there was anything."""
    for complaint in complaints:
        print(complaint)
    print(f"{checks - len(complaints)} passed, {len(complaints)} failed")
    sys.exit(1 if complaints else 0)
