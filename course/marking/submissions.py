"""Which submissions a folder or a zip holds, and whose. Their code is neither run nor parsed here.

Everything that was handed in becomes a submission or a line that says why it is none.
"""

import hashlib
import json
import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import notebooks.cell_code
import vaelib
from course.marking.notebook import LARGEST, read_notebook
from course.marking.people import Person, author, nobody, original, person, readable, stem, words
from course.marking.unzip import Budget, unzip

File = tuple[str, Path]  # its name in the submission, and where it lies

NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)  # browsers add the last part
OTHER_CODE = re.compile(r"\.(py|html?)$", re.IGNORECASE)
ZIP = re.compile(r"\.zip$", re.IGNORECASE)
LARGEST_HELPER = 16 << 20  # bytes of a file that a notebook may read
LARGEST_HELPERS = 32 << 20  # bytes of all of them
MOST_HELPERS = 500
DEEPEST = 12  # folders inside each other
WRITTEN_FIRST = ("seed.txt", "overrides.csv")  # by marking; a student's folder has not both
WRITTEN_BY_MARKING = frozenset(
    "marks reports anonymous marks.csv moodle.csv canvas.csv gradebook.csv overrides.csv "
    "class.html seed.txt".split()
)


@dataclass(frozen=True)
class Submission:
    """Its name, which no other has, its notebooks by their names inside it, and other files.

    `remarks` says what was decided about it; `time` is that of the newest file, in seconds.
    """

    name: str
    files: tuple[File, ...]
    helpers: tuple[File, ...] = ()
    remarks: tuple[str, ...] = ()
    person: Person | None = None
    time: float = 0.0

    def key(self, run: str) -> str:
        """A digest that changes with everything that could change the marks.

        `run` is the part of it that all submissions share.
        """
        digest = hashlib.sha256(run.encode())
        for name, path in (*self.files, *self.helpers):
            digest.update(json.dumps([name, content_of(path)]).encode())
        digest.update(json.dumps(self.remarks).encode())
        return digest.hexdigest()


@dataclass
class Collection:
    """The submissions of a folder, and a line for everything in it that is none."""

    submissions: list[Submission] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def content_of(path: Path) -> str:
    """A digest of a file; what is wrong with it if it cannot be read or is too large to be."""
    try:
        if (size := path.stat().st_size) > LARGEST:
            return f"{size} bytes"
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"not readable: {error.strerror}"


def program(own: Sequence[Path] = ()) -> str:
    """A digest of the program that marks: this package, the checks, and own exercises."""
    checks = Path(vaelib.__file__).parent / "check"
    files = [path for path in checks.rglob("*.*") if "__pycache__" not in path.parts]
    files += [*Path(__file__).parent.glob("*.py"), Path(notebooks.cell_code.__file__), *own]
    content = b"".join(file.read_bytes() for file in sorted(files) if file.is_file())
    return hashlib.sha256(content).hexdigest()


class Collector:
    """Looks through a folder. `lessons` are the names of the notebooks that were handed out."""

    def __init__(
        self, exercises: Mapping[str, int], lessons: Iterable[str], unpacked: Path
    ) -> None:
        """`exercises` has the lesson of each, `lessons` the names of the notebooks."""
        self.lesson_of = {name.encode(): lesson for name, lesson in exercises.items()}
        self.definition = re.compile(
            rf"def\s+({'|'.join(map(re.escape, exercises))})\s*\(".encode()
        )
        self.lessons = frozenset(stem(name).lower() for name in lessons)
        self.lesson_words = frozenset().union(*map(words, self.lessons))
        self.unpacked = unpacked
        self.unpacked_root: Path | None = None  # of the zip that the lecturer gave
        self.lines: list[str] = []
        self.count = 0
        self.budget = Budget()

    def collect(self, root: Path, out: Path) -> Collection:
        """Everything in a folder, or in a zip. Raises NotADirectoryError and ValueError."""
        if root.is_file() and ZIP.search(root.name):
            self.unpacked.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.unpacked).free
            self.budget = Budget(free // 2, 10**6)  # it holds the whole class
            root = self.unzipped(root, root.name)
            self.unpacked_root = root
            while len(found := self.visible(root, out)) == 1 and is_folder(found[0]):
                if person(readable(found[0].name)):
                    break
                root = found[0]
        if not root.is_dir():
            raise NotADirectoryError(f"there is no folder {root}")
        by_person: dict[str, list[Path]] = {}
        for path in self.visible(root, out):
            by_person.setdefault(self.person_key(path), []).append(path)
        self.join_lessons(by_person)
        found_here = [s for paths in by_person.values() for s in self.of_paths(paths)]
        return Collection(unique(found_here), self.lines)

    def person_key(self, path: Path) -> str:
        """Files in the folder itself with the same key are one person's."""
        name = readable(path.name)
        if who := person(name):
            return f"{who.system} {who.id}"
        if is_folder(path):
            return f"name {name}"
        base = original(name)
        # Browsers save the same lesson of several people as `01 (1).ipynb`, `01 (2).ipynb`.
        return f"file {name}" if base.lower() in self.lessons else f"name {base}"

    def join_lessons(self, by_person: dict[str, list[Path]]) -> None:
        """`ada_01.ipynb` and `ada_04.ipynb` are one person's, if they are of different lessons."""
        by_author: dict[str, list[tuple[str, int]]] = {}
        for key, paths in by_person.items():
            if (
                key.startswith("name ")
                and all(map(is_code, paths))
                and not any(map(is_folder, paths))
            ):
                lessons = {self.lesson_of[e] for path in paths for e in self.defined(path)}
                if len(lessons) == 1:
                    (lesson,) = lessons
                    if who := author(key[5:], self.lesson_words, lesson):
                        by_author.setdefault(who, []).append((key, lesson))
        for who, found in by_author.items():
            if len(found) > 1 and len({lesson for _, lesson in found}) == len(found):
                paths = [path for key, _ in found for path in by_person.pop(key)]
                by_person[f"author {who}"] = paths

    def of_paths(self, paths: list[Path]) -> Iterator[Submission]:
        """The submissions in the files and folders of one person, or in the folder of a group."""
        self.budget = Budget()
        names = [readable(path.name) for path in paths]
        who = person(names[0])
        name = who.name if who else names[0] if len(paths) == 1 else common(names)
        remarks: list[str] = []
        if len(paths) > 1:
            remarks.append(f"{' and '.join(names)} are one person's")
        files: list[File] = []
        for path, full in zip(paths, names, strict=True):
            inner = person(full)
            of_system = inner.file if inner else full
            files += self.files_of(path, of_system, len(paths) > 1, remarks)
        opened = [p for p in paths if is_folder(p) or ZIP.search(p.name)]
        if not files and not opened and not who:
            self.lines += [f"{n}: no notebook, and passed over" for n in names if not remarks]
            self.lines += [f"{n}: {'; '.join(remarks)}" for n in names[:1] if remarks]
            return
        groups = [("", files)] if who or len(paths) > 1 else self.groups(files, name)
        for inside, part in groups:
            whole = f"{name}/{inside}" if inside else name
            more = [f"{name} holds the files of {len(groups)} people"] if len(groups) > 1 else []
            yield self.submission(whole, part, who, [*remarks, *more])

    def files_of(self, path: Path, name: str, several: bool, remarks: list[str]) -> list[File]:
        """The files of one thing that was handed in: itself, or all that it contains."""
        if is_folder(path):
            found = self.walk(path, "", remarks, 0)
            return [(f"{name}/{n}", p) for n, p in found] if several and name else found
        if ZIP.search(path.name):
            try:
                place = self.unzipped(path, name, remarks)
            except ValueError as error:
                remarks.append(f"not marked: {name}: {error}")
                return []
            found = without_top(self.walk(place, "", remarks, 0))
            return [(f"{name}/{n}", p) for n, p in found] if several else found
        return [(name, path)] if is_regular(path) and (is_code(path) or several) else []

    def unzipped(self, path: Path, name: str, remarks: list[str] | None = None) -> Path:
        self.count += 1
        place = self.unpacked / str(self.count)
        place.mkdir(parents=True)
        left_out = [f"in {name}, left out {line}" for line in unzip(path, place, self.budget)]
        (self.lines if remarks is None else remarks).extend(left_out)
        return place

    def walk(self, folder: Path, prefix: str, remarks: list[str], depth: int) -> list[File]:
        """All files below a folder, by their names in it."""
        files: list[File] = []
        try:
            paths = self.visible(folder, None, remarks)
        except OSError as error:
            remarks.append(
                f"not marked: {prefix or 'the folder'} cannot be read ({error.strerror})"
            )
            return files
        for path in paths:
            name = f"{prefix}{readable(path.name)}"
            if is_folder(path) and depth < DEEPEST:
                files += self.walk(path, f"{name}/", remarks, depth + 1)
            elif is_folder(path):
                remarks.append(f"{name}: more than {DEEPEST} folders deep, and left out")
            elif is_regular(path):
                files.append((name, path))
                if ZIP.search(path.name):
                    files.pop()
                    files += self.inner_zip(path, name, remarks)
            else:
                remarks.append(f"{name}: neither a file nor a folder, and left out")
        return files

    def inner_zip(self, path: Path, name: str, remarks: list[str]) -> list[File]:
        """A zip in a student's folder is opened, one in a zip is not."""
        of_lecturer = self.unpacked_root and path.is_relative_to(self.unpacked_root)
        if path.is_relative_to(self.unpacked) and not of_lecturer:
            remarks.append(f"{name}: a zip inside a zip, and not opened")
            return []
        try:
            place = self.unzipped(path, name, remarks)
        except ValueError as error:
            remarks.append(f"not marked: {name}: {error}")
            return []
        found = without_top(self.walk(place, "", remarks, DEEPEST // 2))
        return [(f"{stem(name)}/{n}", p) for n, p in found]

    def visible(
        self, folder: Path, out: Path | None, remarks: list[str] | None = None
    ) -> list[Path]:
        """The content of a folder without links, hidden files, and what marking itself wrote."""
        said = self.lines if remarks is None else remarks
        found = []
        for path in sorted(folder.iterdir()):
            name = readable(path.name)
            if name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini"):
                if NOTEBOOK.search(name) and not name.startswith("._"):
                    said.append(f"{name}: a hidden file, and passed over")
            elif path.is_symlink():
                said.append(f"{name}: a link, not followed")
            elif out is not None and is_output(path, out):
                continue
            elif out is not None and all(is_regular(path / name) for name in WRITTEN_FIRST):
                said.append(f"{name}: the output of an earlier marking, and passed over")
            else:
                found.append(path)
        return found

    def groups(self, files: list[File], folder: str) -> list[tuple[str, list[File]]]:
        """The files by their people: one, unless each notebook bears a name and these differ."""
        known = self.lesson_words | words(folder)
        answering = [f for f in files if is_code(f[1]) and self.defined(f[1])]
        named = {n: nobody(original(n.split("/")[0]), known) for n, _ in files}
        whose = {n: shortest(who, named.values()) for n, who in named.items()}
        people = {whose[name] for name, _ in answering}
        if len(people) < 2 or "" in people:
            return [("", files)]
        shown: dict[str, str] = {}
        parts: dict[str, list[File]] = {who: [] for who in sorted(people)}
        for name, path in files:
            if whose[name] in people:
                top, slash, inside = name.partition("/")
                if shown.setdefault(whose[name], top) != top:
                    shown[whose[name]] = whose[name]
                parts[whose[name]].append((inside if slash else top, path))
            else:  # a file that all of them share
                for part in parts.values():
                    part.append((name, path))
        result = []
        for who, part in parts.items():
            deeper = self.groups(part, shown[who])
            result += [(f"{shown[who]}/{name}" if name else shown[who], g) for name, g in deeper]
        return result

    def submission(
        self, name: str, files: list[File], who: Person | None, remarks: list[str]
    ) -> Submission:
        """One person's: which of the files are run, and which are only there to be read."""
        chosen = [f for f in files if NOTEBOOK.search(f[0])]
        answered = {e for _, path in chosen for e in self.defined(path)}
        for file in files:
            if OTHER_CODE.search(file[0]) and (self.defined(file[1]) - answered or len(files) == 1):
                chosen.append(file)
        contents: dict[str, str] = {}
        notebooks = []
        for file in chosen:
            content = content_of(file[1])
            if content in contents:
                remarks = [*remarks, f"{file[0]} is the same as {contents[content]}"]
            else:
                contents[content] = file[0]
                notebooks.append(file)
        helpers, left_out = small([f for f in files if f not in notebooks])
        remarks = [*remarks, *left_out]
        if not notebooks and not any("not marked" in remark for remark in remarks):
            names = ", ".join(name for name, _ in files[:5])
            what = f"no notebook in it, only {names}" if files else "there is nothing in it"
            remarks.append(f"not marked: {what}")
        newest = max((modified(path) for _, path in notebooks or files), default=0.0)
        return Submission(name, tuple(notebooks), helpers, tuple(remarks), who, newest)

    def defined(self, path: Path) -> set[bytes]:
        """The exercises whose function a file seems to define, in any encoding."""
        try:
            if not is_regular(path) or path.stat().st_size > LARGEST:
                return set()  # a pipe would keep whoever reads it waiting
            return set(self.definition.findall(path.read_bytes().replace(b"\0", b"")))
        except OSError:
            return set()


def small(files: list[File]) -> tuple[tuple[File, ...], list[str]]:
    """The files that a notebook may read, and a line for each that is too much."""
    kept: list[File] = []
    left_out = []
    budget = LARGEST_HELPERS
    for name, path in files:
        try:
            size = path.stat().st_size
        except OSError:
            continue
        if size > min(LARGEST_HELPER, budget) or len(kept) >= MOST_HELPERS:
            what = "one of too many" if len(kept) >= MOST_HELPERS else "too large"
            left_out.append(f"{name}: {what} to be given to the notebooks")
            continue
        budget -= size
        kept.append((name, path))
    return tuple(kept), left_out[:10]


def without_top(files: list[File]) -> list[File]:
    """The files of a zip without the folder that all of them are in."""
    tops = {name.partition("/")[0] for name, _ in files}
    if len(tops) == 1 and all("/" in name for name, _ in files):
        return [(name.partition("/")[2], path) for name, path in files]
    return files


def common(names: list[str]) -> str:
    """What the names of one person's files begin with: "ada" for ada_01 and ada_04."""
    return os.path.commonprefix(list(map(original, names))).rstrip(" _-.0") or original(names[0])


def shortest(who: str, others: Iterable[str]) -> str:
    """The shortest of these names whose words are all in this one: "ada" for "ada lovelace"."""
    inside = [o for o in others if o and set(o.split()) <= set(who.split())]
    return min(inside, key=lambda o: (len(o), o), default=who)


def unique(found: list[Submission]) -> list[Submission]:
    """By name, with the number of the person, or else a number, where several have the same."""
    counts = Counter(each.name for each in found)
    taken: set[str] = set()
    result = []
    for each in sorted(found, key=lambda s: (s.name, s.person.id if s.person else "")):
        shared = counts[each.name] > 1 and each.person
        base = f"{each.name} {each.person.id}" if shared and each.person else each.name
        name = base
        number = 2
        while name in taken:
            name = f"{base} ({number})"
            number += 1
        taken.add(name)
        result.append(replace(each, name=name))
    return result


def is_code(path: Path) -> bool:
    return bool(NOTEBOOK.search(path.name) or OTHER_CODE.search(path.name))


def is_folder(path: Path) -> bool:
    return mode_is(path, stat.S_ISDIR)


def is_regular(path: Path) -> bool:
    return mode_is(path, stat.S_ISREG)


def mode_is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.lstat().st_mode)
    except OSError:
        return False


def modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def is_output(path: Path, out: Path) -> bool:
    """Whether this is the folder that marking writes into, or lies in it."""
    if path.resolve() == out.resolve():
        return True
    return path.parent.resolve() == out.resolve() and path.name in WRITTEN_BY_MARKING


def handed_out(folder: Path) -> dict[int, list[str]]:
    """The code cells of each lesson as students got them, by the lesson's number."""
    lessons = {}
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        cells = read_notebook(path, path.name).cells
        lessons[int(path.name[:2])] = [source for _, source, _ in cells]
    return lessons


def lesson_names(folder: Path) -> list[str]:
    return [path.name for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
