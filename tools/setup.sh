#!/bin/sh
# Makes .venv, or finds that it is ready: `make setup`. Everything it says when something is missing
# is one line with what to do. Settings: PYTHON, TORCH_INDEX, NEED_MB (see README).
set -u
cd "$(dirname "$0")/.." || exit 1

# What these name belongs to another environment: pip would take its packages for ours.
unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_USER
export PIP_DISABLE_PIP_VERSION_CHECK=1
# In these Python 3.11 does not start once a folder of ours has letters beyond ASCII in its name.
case ${LC_ALL:-} in C | POSIX) export LC_ALL=C.UTF-8 ;; esac

venv=.venv
stamp=$venv/.ready            # written last: the key of a finished set-up
busy=$venv/.installing        # there from the first step to the last: the number of our process
log=$venv/setup.log
key="$(cat pyproject.toml requirements.lock | cksum) $(pwd)"

fail() {
    printf '\n✗ %s\n' "$*" >&2
    exit 1
}

version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2> /dev/null
}

# The Python that .venv has, and whether it is the one asked for, if one was.
has=$(version_of "$venv/bin/python")
same=
[ -n "$has" ] && { [ -z "${PYTHON:-}" ] || [ "$has" = "$(version_of "$PYTHON")" ]; } && same=1

# Ready already?
if [ -n "$same" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then
    [ "${1:-}" != say ] || echo "✓ .venv is ready, nothing to install. Next: make lab, or make test"
    exit 0
fi

# A set-up under way in another terminal; one that was cut off; a folder that was moved.
if [ -f "$busy" ]; then
    if kill -0 "$(cat "$busy")" 2> /dev/null; then
        fail "Another set-up is at work here (process $(cat "$busy")): wait until it has ended." \
            "If there is none, delete the folder .venv and type the same command again."
    fi
    echo "An earlier set-up was cut off: starting afresh."
    same=
elif [ -f "$stamp" ] && [ "$(sed 's/^[0-9]* [0-9]* //' "$stamp")" != "$(pwd)" ]; then
    echo "This folder was moved since its set-up: starting afresh."
    same=
elif [ -n "$same" ] && ! "$venv/bin/python" -c 'import pip' 2> /dev/null; then
    same=
fi

# Which Python? One that runs, is new enough, has a build of torch, and can make an environment.
find_python() {
    suits='import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))'
    seen= old= new= bare= minor=
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3 python3.13 python3.12 python3.11 python3.14
    fi
    for python in "$@"; do
        version=$(version_of "$python") || continue
        "$python" -c "$suits" 2> /dev/null && return
        seen="$seen, $python is $version"
        case $version in
            2.* | 3.[0-9].* | 3.10.*) old=1 ;;
            3.1[1-4].*) bare=$python minor=${version%.*} ;;
            *) new=1 ;;
        esac
    done
    seen=${seen#, }
    if [ -n "$bare" ]; then
        fail "$bare has no venv module. On Debian or Ubuntu: sudo apt install python$minor-venv." \
            "Then type the same command again."
    elif [ -n "$old" ]; then
        fail "Python is too old: $seen, and 3.11 or newer is wanted. Install a newer one" \
            "(python.org, or your system's packages), then type: make setup PYTHON=python3.13"
    elif [ -n "$new" ]; then
        fail "Python is too new for the PyTorch of this class: $seen. Install Python 3.13" \
            "beside it, then type: make setup PYTHON=python3.13"
    fi
    fail "No Python found (looked for: $*). Install Python 3.11 or newer (python.org, or your" \
        "system's packages), then type the same command again, or name it:" \
        "make setup PYTHON=/path/to/python3"
}

if [ -n "$same" ]; then
    python=$venv/bin/python version=$has
    echo "Going on with .venv (Python $version)"
else
    find_python
    rm -rf "$venv" 2> /dev/null
    mkdir "$venv" 2> /dev/null || fail "Cannot write in $(pwd): make it yours" \
        "(chown -R \$USER .) or clone the project elsewhere, then type the same command again."
    need=${NEED_MB:-3000}
    free=$(df -Pk "$venv" | awk 'NR == 2 { print int($4 / 1024) }')
    if [ "${free:-$need}" -lt "$need" ]; then
        rmdir "$venv"
        fail "The disk is too full: the set-up needs $need MB in $(pwd), and $free MB are free." \
            "Free some space or clone the project elsewhere, then type the same command again."
    fi
fi

started=$(date +%s)
rm -f "$stamp"
cache=
[ ! -f "$venv/.no-cache" ] || cache=--no-cache-dir
echo $$ > "$busy" || fail "Cannot write in $(pwd)/.venv: delete it, then type the same command again"
trap 'printf "\n✗ Stopped. The next make setup starts afresh.\n" >&2; exit 130' INT TERM HUP

# Reads what went wrong out of pip's log and exit code. A full disk or a signal leaves rubbish
# behind, so that the next call starts afresh; after the others it goes on with what is there.
explain() {
    said() { grep -q -i -E "$1" "$log" 2>/dev/null; }
    if said 'No space left on device|Errno 28|Disk quota exceeded'; then
        fail "The disk is full (or ${TMPDIR:-/tmp}, where pip unpacks; TMPDIR=/other/folder" \
            "moves it). Free some space, then type the same command again."
    fi
    if [ "$1" -gt 128 ]; then  # a signal: a package may be there by half
        fail "pip was stopped from outside (killed, or short of memory). Type the same command" \
            "again: it starts afresh."
    fi
    rm -f "$busy"
    if said 'DO NOT MATCH THE HASHES'; then
        touch "$venv/.no-cache"  # pip may have kept the file
        fail "A package is not the file that this class was tested with: it was damaged on its way," \
            "or changed on the index (details above). Type the same command again; if it fails" \
            "again, ask your lecturer, or see 'Without make' in the README."
    fi
    # A package of which pip saw no file at all, or only files for other machines.
    lacks=$(sed -n "s/.*heck\(ed\)\{0,1\} 0 links for project '\([^']*\)'.*/\2/p" "$log" |
        tail -n 1)
    if said 'connection (broken|error)|NewConnectionError|Temporary failure in name resolution' ||
        said 'timed out|incomplete|ProxyError|SSLError|from versions: none' ||
        { [ -n "$lacks" ] && ! said "Skipping link.*[/ ]$lacks-"; }
    then
        fail "The packages cannot be fetched: no network, or it does not let pip through (a proxy?" \
            "Then set HTTPS_PROXY). Connect, then type the same command again. Only the set-up" \
            "needs the network."
    elif [ -n "$lacks" ]; then
        fail "$lacks has no build for Python $version on this kind of machine: try another Python" \
            "(make setup PYTHON=python3.12), or see 'Without make' in the README."
    fi
    fail "pip could not install everything: its messages are above, all of them in $log." \
        "Type the same command again; if it fails again, delete the folder .venv first."
}

# Files of the package index only, nothing that has to be compiled; what it needs has its own line.
pip() {
    : > "$log"
    "$venv/bin/python" -m pip install --log "$log" --no-deps --only-binary :all: $cache "$@" ||
        explain $?
}

# hashed PYTHON SECTIONS OPTIONS: what these sections of requirements.lock say, each file by its hash.
hashed() {
    "$1" tools/hashed.py $2 > "$venv/hashed.txt" ||
        fail "Either the disk is full (free some space), or requirements.lock cannot be read" \
            "(git checkout requirements.lock). Then type the same command again."
    [ ! -s "$venv/hashed.txt" ] || pip $3 --require-hashes --requirement "$venv/hashed.txt"
}

if [ -z "$same" ]; then
    echo "Setting up .venv with Python $version ($python)"
    "$python" -m venv "$venv" > "$log" 2>&1 || {
        cat "$log" >&2
        # venv does not say why: a full disk is known by what is left of it.
        left=$(df -Pk "$venv" | awk 'NR == 2 { print int($4 / 1024) }')
        if [ "${left:-100}" -lt 50 ] || grep -q 'No space left' "$log"; then
            fail "The disk is full. Free some space, then type the same command again."
        fi
        fail "$python cannot make a virtual environment. On Debian or Ubuntu:" \
            "sudo apt install python${version%.*}-venv. Then type the same command again."
    }
fi
torch=$(sed -n 's/^torch==//p' requirements.lock)
echo "1 of 2: torch $torch first, so that nothing later brings another"
if [ "$(uname -s)" = Linux ] && [ -z "${TORCH_INDEX:-}" ] && ! command -v nvidia-smi > /dev/null
then
    echo "        (no NVIDIA GPU seen: if gigabytes of nvidia-… packages are coming now, stop this" \
        "with Ctrl-C and see 'The CPU-only build' in the README)"
fi
# An index or a folder of wheels of one's own choice: the lock may not have its hashes, and pip would
# prefer a file that it has.
if [ -n "${TORCH_INDEX:-}" ] || "$venv/bin/python" -m pip config list | grep -q find-links; then
    pip --constraint requirements.lock ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch
else
    hashed "$python" torch ''
fi
hashed "$venv/bin/python" cuda ''  # nothing, for the CPU build
echo "2 of 2: JupyterLab and the rest (about a minute)"
hashed "$python" 'lab test' --quiet
pip --quiet --no-build-isolation --editable .

# JupyterLab's question about news is one dialogue too many on the first morning of a class.
settings=$venv/share/jupyter/lab/settings
mkdir -p "$settings"
cat > "$settings/overrides.json" << 'JSON'
{
  "@jupyterlab/apputils-extension:notification": {
    "fetchNews": "false",
    "checkForUpdates": false
  }
}
JSON

echo "$key" > "$stamp" || fail "The disk is full. Free some space, then type the same command again."
rm -f "$busy" "$venv/.no-cache"
echo "✓ Ready after $(($(date +%s) - started)) s: .venv has torch $torch and JupyterLab." \
    "Next: make lab, or make test"
