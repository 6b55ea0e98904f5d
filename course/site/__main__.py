"""Build the site or the slides.

python -m course.site           the lessons as pages, in build/site/
python -m course.site --slides  each lesson as a deck of slides, in build/slides/
"""

import argparse
import sys
import time
from pathlib import Path

from course.site import ROOT, SiteError, pages, slides
from course.site.lessons import load


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course.site", description="The lessons as a web site, or as slides."
    )
    parser.add_argument("--slides", action="store_true", help="slides instead of pages")
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks", help="the lessons")
    parser.add_argument("--into", type=Path, help="the folder to make (build/site, build/slides)")
    options = parser.parse_args(arguments)
    name = "slides" if options.slides else "site"
    into = (options.into or ROOT / "build" / name).resolve()
    start = time.perf_counter()
    try:
        lessons = load(options.notebooks)
        (slides if options.slides else pages).build(into, lessons, options.notebooks)
    except SiteError as error:
        print(f"✗ make {name}: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in into.rglob("*") if path.is_file()) / 1e6
    print(
        f"✓ {len(lessons)} lessons in {time.perf_counter() - start:.1f} s, {size:.1f} MB. "
        f"Open {into / 'index.html'}, or put the folder on any static host."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
