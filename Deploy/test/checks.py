"""What the checks of this folder share: expectations that are counted, a verdict at the end, and ports."""

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
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]


def conclude() -> None:
    """Prints what did not hold, and ends the program: with 1 when there was anything."""
    for complaint in complaints:
        print(complaint)
    print(f"{checks - len(complaints)} passed, {len(complaints)} failed")
    sys.exit(1 if complaints else 0)
