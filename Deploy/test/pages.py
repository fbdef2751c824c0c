"""Pages of Docs/ that scripts write from the sources."""

import pathlib
import sys


def publish(page: pathlib.Path, text: str) -> None:
    """Writes a page; with --check only looks whether it is what it would be."""
    if "--check" not in sys.argv[1:]:
        page.write_text(text)
    elif not page.exists() or page.read_text() != text:
        sys.exit(f"{page.parent.name}/{page.name} is not what the sources say: run {sys.argv[0]}")
