"""List each sentence of the lessons that says all, only, always, never, every, none, exactly, any …

    python tools/absolutes.py            every lesson
    python tools/absolutes.py 3 4        lessons 3 and 4

Such a sentence needs a proof in place, a source, or weaker words. Prose and questions are read;
what an exercise asks for is not, as it claims nothing.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parents[1]
ABSOLUTE = re.compile(
    r"\b(all|only|always|never|every|everywhere|none|no one|nothing|nobody|exactly|any|must)\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n\s*\n|\n\s*[-|*] ?|\|")


def texts(lesson: Path) -> Iterator[tuple[str, str]]:
    """Where each text of a lesson stands, and the text."""
    for number, cell in enumerate(jupytext.read(lesson, fmt="py:percent").cells):
        if cell.cell_type == "markdown" and "exercise" not in cell.metadata.get("tags", []):
            yield f"[{int(lesson.name[:2]):02}:{number:02}]", cell.source
    questions = ROOT / f"vaelib/widgets/predictions/lesson{int(lesson.name[:2])}.toml"
    for key, question in tomllib.loads(questions.read_text()).items() if questions.exists() else ():
        yield f"[{lesson.name[:2]}:{key}]", "\n\n".join(strings(question))


def strings(value: object) -> Iterator[str]:
    """All strings in nested tables and lists."""
    if isinstance(value, str):
        yield value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inside:
        yield from strings(part)


def main(wanted: list[str]) -> None:
    for lesson in sorted((ROOT / "notebooks/source").glob("0*.py")):
        if wanted and str(int(lesson.name[:2])) not in wanted:
            continue
        for place, text in texts(lesson):
            for sentence in SENTENCE.split(text):
                if ABSOLUTE.search(sentence):
                    print(place, " ".join(sentence.split()))


if __name__ == "__main__":
    main([str(int(number)) for number in sys.argv[1:]])
