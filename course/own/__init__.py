"""An exercise of the lecturer's own: one file with its statement, reference, cases and mistakes.

`python -m course.own FILE` tries it and writes what students get; `python -m course.marking FOLDER
--own FILE` marks it. `kl_poisson.py`, next to this file, is one to start from.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

from vaelib.check import EXERCISES, Exercise


def load(file: Path) -> tuple[ModuleType, Exercise]:
    """The module in a file, and its `EXERCISE`. Raises ValueError if there is none."""
    if not file.is_file():
        raise ValueError(f"there is no file {file}")
    spec = importlib.util.spec_from_file_location(f"own_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{file} cannot be run: {type(error).__name__}: {error}") from error
    exercise = getattr(module, "EXERCISE", None)
    if not isinstance(exercise, Exercise):
        raise ValueError(f"{file} defines no EXERCISE")
    if not (module.__doc__ or "").strip():
        raise ValueError(f"{file} begins with no statement of the exercise")
    return module, exercise


def register(file: Path) -> Exercise:
    """Add the exercise in a file to those that are marked. Raises ValueError."""
    _, exercise = load(file)
    if exercise.name in EXERCISES:
        raise ValueError(f"{file}: there is an exercise {exercise.name} already")
    if exercise.number in {each.number for each in EXERCISES.values()}:
        raise ValueError(f"{file}: there is an exercise {exercise.number} already")
    EXERCISES[exercise.name] = exercise
    return exercise
