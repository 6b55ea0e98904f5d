"""Which submissions a folder holds. Nothing in them is run or parsed here."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vaelib._marking_notebook import LARGEST, read_notebook

NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)  # browsers add the last part


@dataclass(frozen=True)
class Submission:
    """Its name, which no other has, and its notebooks by their names inside it."""

    name: str
    files: tuple[tuple[str, Path], ...]

    def key(self, seed: int) -> str:
        """Changes with whatever could change the marks."""
        digest = hashlib.sha256(f"{seed} {program()}".encode())
        for name, path in self.files:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name}\0{content}\0".encode())
        return digest.hexdigest()


def program() -> str:
    """A digest of the program that marks."""
    here = Path(__file__).parent
    files = [*here.glob("_marking*.py"), *(here / "check").rglob("*.py")]
    content = b"".join(file.read_bytes() for file in sorted(files) if file.is_file())
    return hashlib.sha256(content).hexdigest()


def submissions(folder: Path, names: list[str]) -> list[Submission]:
    """The submissions in a folder, by name; `names` are the functions of the exercises.

    A notebook that lies in the folder itself is one, and so is each folder in it, with all the
    notebooks inside. Only where two of these answer the same exercises they must be of different
    people: then every notebook and every folder in there is a submission by itself. Raises
    NotADirectoryError if there is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder}")
    wanted = re.compile(rf"def\s+({'|'.join(map(re.escape, names))})\s*\(".encode())
    return sorted(_each(folder, folder, wanted), key=lambda submission: submission.name)


def _each(folder: Path, root: Path, wanted: re.Pattern[bytes]) -> Iterator[Submission]:
    for path in _visible(folder):
        name = path.relative_to(root).as_posix()
        if path.is_file() and NOTEBOOK.search(path.name):
            yield Submission(name, ((path.name, path),))
        elif path.is_dir():
            inside = list(_notebooks(path))
            if _overlap([defined(p, wanted) for p in inside]):
                yield from _each(path, root, wanted)
            elif inside or folder == root:
                files = tuple((p.relative_to(path).as_posix(), p) for p in inside)
                yield Submission(name, files)


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, without links and without what systems leave there."""
    paths = (p for p in folder.iterdir() if not p.name.startswith(".") and p.name != "__MACOSX")
    return sorted(path for path in paths if not path.is_symlink())


def _notebooks(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_dir():
            yield from _notebooks(path)
        elif path.is_file() and NOTEBOOK.search(path.name):
            yield path


def defined(path: Path, wanted: re.Pattern[bytes]) -> set[bytes]:
    """The functions wanted whose definition a file seems to hold, in any encoding."""
    try:
        if path.stat().st_size > LARGEST:
            return set()
        return set(wanted.findall(path.read_bytes().replace(b"\0", b"")))
    except OSError:
        return set()


def _overlap(held: list[set[bytes]]) -> bool:
    """Whether two files have most of the smaller one's exercises in common."""
    return any(
        2 * len(a & b) > min(len(a), len(b)) > 0 for i, a in enumerate(held) for b in held[:i]
    )


def handed_out(folder: Path) -> dict[int, list[str]]:
    """The code cells of each lesson as students got them, by the lesson's number."""
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    notebooks = {int(path.name[:2]): read_notebook(path, path.name) for path in paths}
    return {n: [source for _, source, _ in book.cells] for n, book in notebooks.items()}
