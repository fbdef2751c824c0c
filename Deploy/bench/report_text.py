"""Pieces of pages in Markdown."""

import textwrap


def number(value):
    """Three digits are what such figures are good for."""
    return "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def paragraph(text):
    return textwrap.fill(" ".join(text.split()), 120, break_on_hyphens=False)


def table(names, rows, words):
    """@param words: the first so many columns are words, the others figures."""
    rule = "|" + "---|" * words + "---:|" * (len(names) - words)
    cells = ["| " + " | ".join(map(str, row)) + " |" for row in [names, *rows]]
    return "\n".join([cells[0], rule, *cells[1:]])
