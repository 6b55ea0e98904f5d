#!/bin/sh
# Renews requirements.lock: `make lock`. Resolves for every Python and platform the project admits,
# so that one file serves Linux, macOS and Windows. torch stays where it is unless TORCH= says.
set -eu
cd "$(dirname "$0")/.."
torch=${TORCH:-$(sed -n 's/^torch==//p' requirements.lock)}
work=build/lock
rm -rf "$work"
mkdir -p "$work"
.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
echo "torch==$torch" > "$work/constraints.txt"
{
    echo "# The exact versions of a class, used as constraints: pip install -c requirements.lock …"
    echo "# Made by 'make lock' from pyproject.toml; not edited by hand."
    "$work/venv/bin/uv" pip compile --quiet --universal --upgrade --all-extras \
        --fork-strategy fewest --no-header --no-annotate --constraint "$work/constraints.txt" \
        pyproject.toml
} > "$work/requirements.lock"
mv "$work/requirements.lock" requirements.lock
rm -rf "$work"
echo "requirements.lock is renewed: $(grep -c '^[a-z].*==' requirements.lock) versions." \
    "Now type: make test"
