"""Which submissions a folder holds. Their code is neither run nor parsed here."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import notebooks.cell_code
import vaelib
from course.marking.notebook import LARGEST, read_notebook

NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)  # browsers add the last part


@dataclass(frozen=True)
class Submission:
    """Its name, which no other has, and its notebooks by their names inside it."""

    name: str
    files: tuple[tuple[str, Path], ...]

    def key(self, seed: int) -> str:
        """A digest that changes with everything that could change the marks."""
        digest = hashlib.sha256(f"{seed} {program()}".encode())
        for name, path in self.files:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name}\0{content}\0".encode())
        return digest.hexdigest()


def program() -> str:
    """A digest of the program that marks: this package, and the checks."""
    checks = Path(vaelib.__file__).parent / "check"
    files = [path for path in checks.rglob("*.*") if "__pycache__" not in path.parts]
    files += [*Path(__file__).parent.glob("*.py"), Path(notebooks.cell_code.__file__)]
    content = b"".join(file.read_bytes() for file in sorted(files) if file.is_file())
    return hashlib.sha256(content).hexdigest()


def submissions(folder: Path, exercises: list[str]) -> list[Submission]:
    """The submissions in a folder, by name; `exercises` are the names of their functions.

    A notebook that lies in the folder itself is one, and so is each folder in it, with all the
    notebooks inside. If two of these notebooks answer the same exercises, they must be from
    different people: then every notebook and every folder in there is a submission by itself.
    Raises NotADirectoryError if there is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder}")
    definition = re.compile(rf"def\s+({'|'.join(map(re.escape, exercises))})\s*\(".encode())
    return sorted(_each(folder, folder, definition), key=lambda submission: submission.name)


def _each(folder: Path, root: Path, definition: re.Pattern[bytes]) -> Iterator[Submission]:
    for path in _visible(folder):
        name = path.relative_to(root).as_posix()
        if path.is_file() and NOTEBOOK.search(path.name):
            yield Submission(name, ((path.name, path),))
        elif path.is_dir():
            inside = list(_notebooks(path))
            if _overlap([defined(notebook, definition) for notebook in inside]):
                yield from _each(path, root, definition)
            elif inside or folder == root:
                files = tuple((p.relative_to(path).as_posix(), p) for p in inside)
                yield Submission(name, files)


def _visible(folder: Path) -> list[Path]:
    """The content of a folder, without links and the files that operating systems leave there."""
    paths = (p for p in folder.iterdir() if not p.name.startswith(".") and p.name != "__MACOSX")
    return sorted(path for path in paths if not path.is_symlink())


def _notebooks(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_dir():
            yield from _notebooks(path)
        elif path.is_file() and NOTEBOOK.search(path.name):
            yield path


def defined(path: Path, definition: re.Pattern[bytes]) -> set[bytes]:
    """The exercises whose function a file seems to define, in any encoding."""
    try:
        if path.stat().st_size > LARGEST:
            return set()
        return set(definition.findall(path.read_bytes().replace(b"\0", b"")))
    except OSError:
        return set()


def _overlap(defined_in: list[set[bytes]]) -> bool:
    """Whether two files have most exercises of the smaller one in common."""
    return any(
        2 * len(a & b) > min(len(a), len(b)) > 0
        for i, a in enumerate(defined_in)
        for b in defined_in[:i]
    )


def handed_out(folder: Path) -> dict[int, list[str]]:
    """The code cells of each lesson as students got them, by the lesson's number."""
    lessons = {}
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        cells = read_notebook(path, path.name).cells
        lessons[int(path.name[:2])] = [source for _, source, _ in cells]
    return lessons
