#!/usr/bin/env bash
# Installs the project as a user would and runs every check and test.
# Makes what it needs: Debian packages when run as root, virtual environments otherwise.
# MUSCLEFM_ENVIRONMENTS keeps the environments somewhere else than in .venv.
set -euo pipefail
SECONDS=0
cd "$(dirname "$0")/.."
environments=${MUSCLEFM_ENVIRONMENTS:-$PWD/.venv}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  missing=
  # Rendering without a screen, and what Qt asks of a virtual one.
  for package in python3-venv libgl1 libegl1 libgl1-mesa-dri libxrender1 libxt6 xvfb \
    libdbus-1-3 libfontconfig1 libglib2.0-0 libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 \
    libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 \
    libxcb-shape0 libxcb-xfixes0 libxcb-xinerama0 libxcb-xkb1 fonts-dejavu-core; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
  done
  if [ -n "$missing" ]; then
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  fi
fi

# Without compiling: the tests import a small part of what is installed.
install() { # folder, arguments of pip...
  local folder=$1
  shift
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "$@"
}

make_library_environment() {
  local folder=$environments/library
  [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
  install "$folder" --upgrade --upgrade-strategy eager ".[test]"
  # pip keeps an installed package of the same version: the code must be today's.
  install "$folder" --force-reinstall --no-deps .
  # They check data sets and run made networks, which needs nothing more of what they depend on.
  install "$folder" --no-deps nnunetv2 acvl_utils batchgenerators dynamic_network_architectures
}

# Slicer's real scene without the application, and real Qt. The library is used from the
# checkout there, and without torch, as Slicer uses it; at the lowest versions it allows, while
# the library's environment has the newest.
make_slicer_environment() {
  local folder=$environments/slicer
  [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
  install "$folder" packaging pytest pytest-timeout
  local lowest
  lowest=$("$folder/bin/python" Testing/packaging/lowest_versions.py numpy scipy SimpleITK \
    pydicom highdicom nibabel pynrrd psutil pydantic pillow platformdirs filelock \
    rich jinja2)
  # shellcheck disable=SC2086
  install "$folder" slicer-core PySide6-Essentials dcmqi $lowest
}

# One thread each: more processes than cores are at work already.
export OMP_NUM_THREADS=1

echo "== install"
make_slicer_environment &
slicer_environment=$!
trap 'kill "$slicer_environment" 2>/dev/null || true' EXIT
make_library_environment
wait "$slicer_environment"
export MUSCLEFM_SLICER_PYTHON=$environments/slicer/bin/python
export MUSCLEFM_LIBRARY_PYTHON=$environments/library/bin/python
export PATH=$environments/library/bin:$PATH

lint() {
  ruff check MuscleFMSegment Testing
  ruff format --check MuscleFMSegment Testing
  mypy --config-file pyproject.toml
}

if [ "$#" -gt 0 ]; then
  lint
  exec python -m pytest "$@"
fi
# All at once. What reads, writes and exchanges images is tested at the lowest versions, too; one
# test there lists models, for which the module's environment lacks safetensors on purpose.
module_log=$(mktemp)
PYTHONPATH=$PWD/MuscleFMSegment "$MUSCLEFM_SLICER_PYTHON" -m pytest Testing/slicer \
  Testing/unit/test_dicom.py Testing/unit/test_exchange_dicom.py Testing/unit/test_reading.py \
  Testing/unit/test_results_folder.py Testing/unit/test_segmentation_file.py \
  Testing/unit/test_storage.py Testing/unit/test_writing.py \
  --deselect Testing/unit/test_storage.py::test_the_command_removes_what_is_left_in_the_users_data \
  >"$module_log" 2>&1 &
module_tests=$!
trap 'kill "$module_tests" 2>/dev/null || true; rm -f "$module_log"' EXIT
echo "== lint and types"
lint
status=0
echo "== tests of the library"
# A file's tests stay together, as they share what is slow to make.
python -m pytest -n 2 --dist loadfile || status=$?
module_status=0
wait "$module_tests" || module_status=$?
echo "== tests of the Slicer module"
cat "$module_log"
[ "$status" -ne 0 ] || status=$module_status
echo "== all of it took $SECONDS s"
exit "$status"
