#!/bin/sh
# Installs the kit of fakes in an empty environment, tries what it holds, then as a plugin of pytest:
# check-fakes.sh PYTHON VENV [FOLDER OF THE WHEEL]
set -eu
cd "$(dirname "$0")/.."
python=$1 venv=$2 folder=${3:-dist/fakes}
# Where somebody builds by hand, the kit would look there.
unset SMARAGDINE_FAKES_DIR

set -- "$folder"/smaragdine_fakes-*.whl
case "$1" in
    *-py3-none-linux_*.whl | *-py3-none-manylinux_*.whl) ;;
    *) echo "error: $1 is not a wheel of commands, one for every Python" >&2; exit 1 ;;
esac

rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet "$1"
packaging=$(pwd)/packaging
# Away from the sources, which would shadow what is installed.
cd "$venv"
for fake in fake-powercap fake-sensors fake-proc; do
    "bin/$fake" --help >/dev/null
done
bin/python -I "$packaging/check_fakes.py"

# As other tools meet it: their tests by pytest, and GPUs through NVIDIA's own package for Python.
bin/python -m pip install --disable-pip-version-check --quiet 'pytest>=8' 'nvidia-ml-py>=12'
bin/python -m pytest --quiet --rootdir "$packaging" -p no:cacheprovider "$packaging/check_fixtures.py"
