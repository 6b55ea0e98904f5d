"""Every public function of vaelib has a property here, or a reason why it has none."""

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path
from typing import Any

from covered import COVERED

import vaelib

# A whole module or one name, and where it is tested instead.
ELSEWHERE = {
    "doctor": "looks at an installation: tests/test_doctor.py",
    "engine": "the same step made faster, compared with the plain one: tests/test_engine.py",
    "data.from_folder": "files made by the test: tests/test_pictures.py",
    "pictures": "files made by the test: tests/test_pictures.py",
    "plots.graphical_model": "no numbers: tests/test_plots.py",
    "run.EarlyStopping": "histories that stop: tests/test_training.py",
    "run.refuse_single_example": "BatchNorm: tests/test_training.py",
    "run.training_mode": "dropout and BatchNorm: tests/test_training.py",
    "run.BatchSource": "the batches of a run: tests/test_run.py",
    "run.TrainingRun": "the state of a run: tests/test_run.py",
    "run.StopButton": "takes signals: tests/test_run.py",
    "run.process_group": "several processes: tests/test_distributed.py",
    "startup": "looks at a process, its imports and threads: tests/startup, tests/test_init.py",
    "training.face_vae": "no arguments to vary: tests/test_training.py",
    "training.fit_faces": "calls fit, and takes a minute: tests/test_faces_vae.py",
    "widgets.order": "a shell and its errors: tests/widgets/test_order.py",
    "widgets.mathml": "formulas as a page writes them: tests/widgets/test_mathml.py",
    "widgets.predict": "questions and answers: tests/widgets/test_predict.py",
    "widgets.installation": "looks at an installation: tests/test_doctor.py",
    "widgets.labs.twin": "the labs' figures: tests/widgets/labs",
    "widgets.labs.lab.Mark": "a record of what is drawn",
    "widgets.labs.lab.Panel": "a record of what is drawn",
    "widgets.labs.scene.Scene": "a record of what is drawn",
    "widgets.labs.jensen.Curve": "a record of a function",
}


def public() -> set[str]:
    """The public functions and classes of vaelib, and their methods, by name below vaelib."""
    found = set()
    for module in pkgutil.walk_packages(vaelib.__path__, "vaelib."):
        if not module.name.endswith("__main__"):
            inside = vars(importlib.import_module(module.name))
            names = {name: thing for name, thing in inside.items() if own(name, thing, module.name)}
            for name, thing in [*names.items()]:
                methods = vars(thing).items() if inspect.isclass(thing) else ()
                names |= {f"{name}.{m}": f for m, f in methods if own(m, f, module.name)}
            found |= {f"{module.name.removeprefix('vaelib.')}.{name}" for name in names}
    return found


def own(name: str, thing: Any, module: str) -> bool:
    """Whether it is a function, a method or a class that this module makes public."""
    if isinstance(thing, property):
        thing = thing.fget
    thing = getattr(thing, "__func__", thing)
    return not name.startswith("_") and callable(thing) and thing.__module__ == module


def known(name: str) -> bool:
    """Whether it is covered, or its whole module is, or it or what it is in is tested elsewhere."""
    parts = name.split(".")
    around = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
    whole = {part for part in around & COVERED if f"vaelib.{part}" in sys.modules}
    return name in COVERED or bool(whole | around & ELSEWHERE.keys())


def test_every_public_function_has_a_property():
    for path in Path(__file__).parent.glob("test_*.py"):
        importlib.import_module(path.stem)
    names = public()
    assert len(names) > 200
    assert not (without := sorted(n for n in names if not known(n))), without
    stale = {n for n in COVERED | ELSEWHERE.keys() if not any(p.startswith(n) for p in names)}
    assert not stale, "these are not in vaelib"
