"""A folder like notebooks/ with two small sources, for the tests of the build."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import nbformat

from notebooks import build

KNOWN = {"double": SimpleNamespace(number="1.1", name="double", stars=1, minutes=5, points=1)}
CHECK = """
class Result:
    def __init__(self, says):
        self.says = says

    def __repr__(self):
        return self.says


def double(function):
    try:
        return Result("✓ 1.1 double: right" if function(2) == 4 else "✗ 1.1 double: wrong")
    except NotImplementedError:
        return Result("1.1 double: not attempted yet")
"""
LESSON = '''# %% [markdown]
# # 1 · A lesson
#
# It has one exercise.

# %% [markdown] slide="Jensen's inequality" pseudo=["7 L"] exercises=["1.1"]
# ## A section of the lesson

# %%
import own_check as check

# %% [markdown] exercise="1.1 ★"
# ### Exercise 1.1 `double`

# %%
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    twice = 2 * x
    return twice
    ### END SOLUTION


# %%
check.double(double)
'''
START = """# %% [markdown]
# # 0 · Start

# %% [markdown] tags=["map"]
# Jensen's inequality | 1 A lesson
# KL annealing | 6 The VAE

# %%
1 + 1
"""
SECOND_EDITION = r"""# %% [markdown]
# # 1 · A lesson of the second edition
#
# **How many rolls until you can prove it?** A roll carries $\gap{\mathrm{KL}(p\,\|\,q)}$ nats.

# %%
from vaelib import plots
from vaelib.widgets import KLLab, Predict

import torch

# %%
KLLab()

# %% [markdown]
# ## The evidence
#
# Its unit is the nat, and $\enc{q_\phi(z \mid x)}$ and $\enc{\mu}$ are blue.

# %%
Predict("die")

# %%
Predict("die")

# %% tags=["spoiler"] alt="A line that rises from one to about twenty."
n = torch.arange(1, 11)
plots.curves({"odds": {"": (0.294 * n).exp()}}, xlabel="$n$")

# %% [markdown] tags=["aside"]
# #### Why nats?
#
# One nat is $1 / \log 2$ bits.

# %% tags=["check"]
kl = 0.294
assert abs(10 * kl - 2.94) < 1e-12
print("✓ ten rolls carry ten times as much")

# %% [markdown]
# ## References
#
# - First.
# - Second.
# - Third.
"""


main = partial(build.main, known=KNOWN)


def make(folder: Path) -> Path:
    (folder / "source").mkdir(parents=True)
    write(folder, START, "00_start")
    write(folder, LESSON)
    (folder / "own_check.py").write_text(CHECK, encoding="utf-8")
    return folder


def write(here: Path, text: str, name: str = "01_lesson") -> Path:
    path = here / "source" / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path


def stored(here: Path, name: str = "01_lesson"):
    return nbformat.read(here / f"{name}.ipynb", as_version=4)
