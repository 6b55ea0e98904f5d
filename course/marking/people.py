"""Whose a file is: from the names that Moodle, Canvas, browsers and students give to files."""

import os
import re
import unicodedata
from dataclasses import dataclass

# Moodle: `Ada Lovelace_1234567_assignsubmission_file_01.ipynb`, or a folder of that name.
MOODLE = re.compile(
    r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>.*))?$", re.DOTALL
)
# Canvas: `lovelaceada_LATE_12345_678901_01_kl.ipynb`.
CANVAS = re.compile(
    r"^(?P<name>[^_\W]+(?:-[^_\W]+)*)_(?P<late>LATE_)?(?P<id>\d+)_(?P<number>\d+)_(?P<file>.+)$",
    re.DOTALL,
)
SUFFIX = re.compile(r"(\.ipynb(\.txt|\.json)?|\.py|\.html?|\.zip)$", re.IGNORECASE)
# What browsers, JupyterLab and desktops add to the name of a copy, in front of it or behind.
COPY = re.compile(
    r"^(?:copy|kopie|copie|copia)(?: \(\d+\))? (?:of|von|de) (?P<of>.+)$"
    r"|^(?P<base>.+?)(?:[ _]?\(\d+\)|-copy\d*| ?- ?(?:copy|kopie|copie|copia)(?: \(\d+\))?"
    r"| (?:copy|kopie|copie|copia)(?: \d+)?)$",
    re.IGNORECASE,
)
# Words in file names that are nobody's name.
GENERIC = frozenset(
    """a abgabe abgaben again answer answers assignment attempt aufgabe aufgaben backup blatt
    chapter checkpoint code copie copy coursework data day deep done draft edited ex exercise
    exercises exp experiment experiments extra final finished fixed for fun functions handin helper
    helpers homework hw ipynb jupyter kopie la lab last lecture lektion lesson lessons lib loesung
    lösung loesungen lösungen merged misc model models my neu new nb note notebook notebooks notes
    of old older original other part playground plots practice probe project question re results
    retry rough sandbox scratch second sheet side solution solutions solved src start stuff student
    students
    submission submissions submitted task tasks teil temp test testing tests tmp trial trials try
    trying übung uebung unit untitled update updated util utils v version von vorlesung week woche
    wip work working worksheet""".split()
)
# Words of the lecture, which a notebook may be named after.
SUBJECT = frozenset(
    """annealing autoencoder autoencoders bayes bernoulli carlo coin collapse decoder dice die
    digits divergences elbos encoder estimation estimator faces gaussian gaussians gradient
    importance inequality inference integral jensen kullback latents leibler likelihoods lower
    marginal mle mnist monte normal posterior prior reparam reparameterization sampling score
    trick training traversal vaes variational""".split()
)
GROUP = re.compile(
    r"(?:^|[\W_\d])(group|gruppe|team|pair|tutorial|section|class|seminar|kurs)(?=$|[\W_\d])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Person:
    """Who a name says that it belongs to. `system` is "moodle" or "canvas"."""

    name: str
    system: str
    id: str
    file: str = ""
    late: bool = False


def readable(name: str) -> str:
    """A file's name as text, whatever its encoding: what is not UTF-8 is taken for Windows'.

    No character is left in it that could steer a terminal or turn the direction of writing.
    """
    raw = os.fsencode(name)
    for encoding in ("utf-8", "cp1252", "latin-1"):
        try:
            text = unicodedata.normalize("NFC", raw.decode(encoding))
        except UnicodeDecodeError:
            continue
        return "".join(c if c.isprintable() else "�" for c in text)
    return raw.decode("ascii", "replace")


def person(name: str) -> Person | None:
    """Whose a file or folder of Moodle's or Canvas's is; None for any other name."""
    if found := MOODLE.match(name):
        return Person(found["name"], "moodle", found["id"], found["file"] or "")
    if found := CANVAS.match(name):
        return Person(found["name"], "canvas", found["id"], found["file"], bool(found["late"]))
    return None


def stem(name: str) -> str:
    """A name without the suffix of a notebook, a script, a page or a zip."""
    return SUFFIX.sub("", name)


def original(name: str) -> str:
    """The stem of the file of which this is a copy, by its name: of itself if it is none."""
    base = stem(name).strip()
    while found := COPY.match(base):
        base = (found["of"] or found["base"]).strip()
    return base


def nobody(name: str, known: frozenset[str]) -> str:
    """What of a name could be somebody's: its words without lessons, numbers and usual words.

    Numbers of five digits and more stay: they are those of students. `known` are the words in the
    names of the lessons, and in the name of the folder.
    """
    if GROUP.search(name):
        return name.lower()
    words = re.findall(r"[^\W\d_]+|\d{5,}", unicodedata.normalize("NFC", name).lower())
    usual = GENERIC | SUBJECT | known
    return " ".join(word for word in words if word not in usual and len(word) > 1)


def author(name: str, known: frozenset[str], lesson: int) -> str:
    """The name in `ada_k 01.ipynb`, a file of lesson 1, or ""; all other numbers belong to it."""
    found = re.findall(r"[^\W\d_]+|\d+", unicodedata.normalize("NFC", stem(name)).lower())
    usual = GENERIC | SUBJECT | known
    own = [
        w
        for w in found
        if w not in usual and not (len(w) < 3 and w.isdecimal() and int(w) == lesson)
    ]
    of_lesson = len(own) < len(found)
    return " ".join(own) if of_lesson and any(len(w) > 1 and w.isalpha() for w in own) else ""


def words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W\d_]+|\d{5,}", name.lower()))
