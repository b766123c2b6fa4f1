#!/usr/bin/env bash
# Installs the project as a user would and runs every check and test.
# Makes what it needs: Debian packages when run as root, virtual environments otherwise.
# MUSCLEFM_ENVIRONMENTS keeps the environments somewhere else than in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
environments=${MUSCLEFM_ENVIRONMENTS:-$PWD/.venv}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  missing=
  for package in python3-venv libgl1 libegl1 libxrender1 libxt6; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
  done
  if [ -n "$missing" ]; then
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  fi
fi

make_environment() { # folder, packages...
  local folder=$1
  shift
  [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

echo "== install"
make_environment "$environments/library" ".[test]"
# pip keeps an installed package of the same version: the code must be today's.
"$environments/library/bin/python" -m pip install --quiet --disable-pip-version-check \
  --force-reinstall --no-deps .
# Slicer's real scene without the application; its VTK stays apart from the library.
make_environment "$environments/slicer" slicer-core numpy
export MUSCLEFM_SLICER_PYTHON=$environments/slicer/bin/python
export PATH=$environments/library/bin:$PATH

echo "== lint and types"
ruff check MuscleFMSegment Testing
ruff format --check MuscleFMSegment Testing
mypy --config-file pyproject.toml

echo "== tests"
exec python -m pytest "$@"
