"""Tries an own exercise, and writes what students get: python -m course.own FILE --out folder

The folder gets a notebook with the statement, an empty function and its check, and the check as a
module of its own, packed so that nobody reads the answer by accident. Students need both.
"""

import argparse
import base64
import inspect
import re
import sys
import zlib
from functools import partial
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.own import load
from vaelib.check import Check, Exercise

SEEDS = range(3)
MODULE = '''"""The check of {name}: put this file next to the notebook."""

import base64
import types
import zlib

from vaelib.check import Check

packed = {packed!r}
module = types.ModuleType("own")
exec(zlib.decompress(base64.b85decode(packed)), module.__dict__)
{name} = Check(module.EXERCISE)
'''


def problems(exercise: Exercise) -> list[str]:
    """What does not hold of an exercise: the reference is right, and every mistake is named."""
    check = Check(exercise)
    found = []
    for seed in SEEDS:
        result = check(exercise.variant, seed)
        if not result.passed:
            found.append(f"the reference is not right (seed {seed}): {result.message}")
            break
    for mistake in exercise.mistakes:
        for seed in SEEDS:
            result = check(partial(exercise.variant, **mistake.change), seed)
            if result.passed:
                found.append(f"“{mistake.name}” passes (seed {seed}): no case shows it")
                break
            if result.misconception != mistake.name:
                said = result.misconception or "another mistake"
                found.append(f"“{mistake.name}” is taken for “{said}” (seed {seed})")
                break
    if not exercise.mistakes:
        found.append("it knows no mistake")
    return found


def notebook(statement: str, exercise: Exercise) -> nbformat.NotebookNode:
    """The notebook that students get."""
    stars = "★" * exercise.stars
    heading = f"### Exercise {exercise.number} `{exercise.name}` {stars}"
    stub = f"def {exercise.signature}:\n    raise NotImplementedError"
    cells = [
        new_markdown_cell(f"{heading}\n\n{statement}"),
        new_code_cell(f"import torch\n\nimport check_{exercise.name} as check"),
        new_code_cell(stub),
        new_code_cell(f"check.{exercise.name}({exercise.name})"),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"{exercise.name[:40]}-{number}".replace("_", "-")
    made = new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    return made


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 1 if the exercise is not as it should be."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m course.own", description=description)
    parser.add_argument("file", type=Path, help="with a statement and an EXERCISE")
    parser.add_argument("--out", type=Path, default=Path("build/own"), help="(%(default)s)")
    options = parser.parse_args(arguments)
    try:
        module, exercise = load(options.file)
    except ValueError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    found = problems(exercise)
    for line in found:
        print(f"✗ {line}", file=sys.stderr)
    if found:
        return 1
    # Students see neither the statement twice nor, with help(), what a mistake looks like.
    source = re.sub(re.escape(module.__doc__ or ""), "", inspect.getsource(module), count=1)
    packed = base64.b85encode(zlib.compress(source.encode())).decode()
    options.out.mkdir(parents=True, exist_ok=True)
    text = MODULE.format(name=exercise.name, packed=packed)
    (options.out / f"check_{exercise.name}.py").write_text(text, encoding="utf-8")
    made = notebook(inspect.cleandoc(module.__doc__ or ""), exercise)
    nbformat.write(made, options.out / f"{exercise.name}.ipynb")
    count = len(exercise.mistakes)
    print(f"✓ {exercise.number} {exercise.name}: right is right, {count} mistakes are named")
    print(f"for students: {options.out}/{exercise.name}.ipynb and check_{exercise.name}.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
