#!/bin/sh
# Installs the wheel from dist/ in an empty environment and starts what it holds: check-wheel.sh PYTHON VENV [CONSTRAINTS]
set -eu
cd "$(dirname "$0")/.."
python=$1 venv=$2 constraints=${3:-}

set -- dist/smaragdine-*.whl
case "$1" in
    *-py3-none-*.whl) ;;
    *) echo "error: $1 is not a py3-none wheel, one for every Python" >&2; exit 1 ;;
esac

rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet --only-binary=:all: \
    ${constraints:+--constraint "$constraints"} "$1"

"$venv/bin/smaragdine" --help >/dev/null
"$venv/bin/smaragdined" --help >/dev/null
# Away from the sources, which would shadow what is installed.
cd "$venv"
bin/python -I ../packaging/check_installed.py
