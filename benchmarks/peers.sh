#!/bin/sh
# Makes the environment of the other libraries, outside this folder: $VAELIB_PEERS, or the user's
# cache. One that cannot be installed is left out, and the table says that it is missing.
set -eu
cd "$(dirname "$0")"
place=${VAELIB_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/vaelib/peers}
stamp="$place/.made-from"
[ -f "$stamp" ] && cmp -s peers.txt "$stamp" && exit 0
echo "Installing the libraries of the race into $place (once, some minutes)"
[ -x "$place/bin/python" ] || python3 -m venv "$place"
for wanted in $(sed '/^#/d' peers.txt); do
    "$place/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint peers.txt "$wanted" || echo "✗ $wanted could not be installed: left out"
done
cp peers.txt "$stamp"
