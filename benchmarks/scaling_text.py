"""Markdown for benchmarks/scaling.md."""

import textwrap
from collections.abc import Iterable
from statistics import median

Found = dict


def text(*sentences: str) -> str:
    return textwrap.fill(" ".join(sentences), 100, break_long_words=False, break_on_hyphens=False)


def table(heads: str, rows: Iterable[Iterable[object]]) -> str:
    columns = [name.strip() for name in heads.split("|")]
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def load(part: Found) -> str:
    """How busy the machine was, and how far apart the repeated epochs of a setting are."""
    rows = part.get("rows", [])
    apart = max((max(r["seconds"]) / min(r["seconds"]) for r in rows), default=1.0)
    said = f"; epochs of one setting up to {apart:.1f} times apart" if rows else ""
    return f"(Load {part['about']['load']:.1f}{said}.)"


def middle(row: Found) -> float:
    return median(row["seconds"])


def spread(row: Found) -> str:
    return f"{middle(row):.2f} ({min(row['seconds']):.2f} to {max(row['seconds']):.2f})"
