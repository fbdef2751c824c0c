"""What the checks of this folder share: expectations that are counted, and a verdict at the end."""

import sys

complaints: list[str] = []
checks = 0


def expect(holds: bool, complaint: str) -> None:
    global checks
    checks += 1
    if not holds:
        complaints.append(complaint)


def conclude() -> None:
    """Prints what did not hold, and ends the program: with 1 when there was anything."""
    for complaint in complaints:
        print(complaint)
    print(f"{checks - len(complaints)} passed, {len(complaints)} failed")
    sys.exit(1 if complaints else 0)
