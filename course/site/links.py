"""Links: between notebooks they become links between pages, and at the end each is followed."""

import re
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from course.site import SiteError

OURS = ("figures/", "notebooks/")  # what the build puts into the site itself
ATTRIBUTE = re.compile(r'(?<=[ "])(href|src)="([^"]*)"')


def rewrite(
    body: str, where: str, notebooks: Path, lessons: set[str], files: dict[str, Path]
) -> str:
    """The HTML of the lesson `where`, with its links as links of the site.

    `X.ipynb#a` becomes `X.html#a`. A link to another file of the project becomes one to a copy,
    which is added to `files`. Raises SiteError for a link to a file that does not exist.
    """

    def turn(match: re.Match[str]) -> str:
        attribute, url = match.groups()
        parts = urlsplit(url)
        path = unquote(parts.path)
        if parts.scheme or parts.netloc or not path or path.startswith(OURS):
            return match[0]
        stem = PurePosixPath(path).stem
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        if path.endswith(".ipynb") and stem in lessons:
            return f'{attribute}="{stem}.html{fragment}"'
        file = (notebooks / path).resolve()
        root = notebooks.resolve().parent
        if not file.is_file() or not file.is_relative_to(root):
            raise SiteError(f"{where}: links to {url}, which is not there")
        name = "files/" + file.relative_to(root).as_posix()
        files[name] = file
        return f'{attribute}="{name}"'

    return ATTRIBUTE.sub(turn, body)


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            if name == "id" and value:
                self.anchors.add(value)


def broken(folder: Path) -> list[str]:
    """The links of the folder's pages that lead to no file in it, or to no place on their page."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    wrong = []
    for path, page in pages.items():
        for url in page.links:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            anchors = next((p.anchors for q, p in pages.items() if q.resolve() == target), None)
            if not target.is_file():
                wrong.append(f"{path.name}: {url} leads nowhere")
            elif anchors is not None and unquote(parts.fragment) not in anchors:
                wrong.append(f"{path.name}: {url} leads to no place on its page")
    return wrong
