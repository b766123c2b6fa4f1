"""What cannot be segmented is refused in one line, and nothing is left behind."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from musclefm.cli.main import main
from musclefm.storage.regular_file import sha256_of
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

Musclefm = Callable[..., subprocess.CompletedProcess[str]]
Refused = Callable[..., str]

SECRET = "Doe-Jane"
PIXDIM = 76


def content(folder: Path) -> dict[str, bytes | None]:
    """Return all that lies under a folder, hidden or not."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


Run = Callable[[list[str]], tuple[int, str, str]]


@pytest.fixture
def in_process(
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Return a function that runs a command in the process of the tests, which is faster.

    It returns the exit code and what was printed.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("MUSCLEFM_HOME", "COLUMNS"):
        monkeypatch.setenv(name, environment[name])

    def run(arguments: list[str]) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(in_process: Run, tmp_path: Path) -> Refused:
    """Return a function that runs a command that is to be refused, and returns its one line."""
    return lambda *arguments: said_in_one_line(in_process, arguments, tmp_path)


@pytest.fixture
def refused_process(musclefm: Musclefm, tmp_path: Path) -> Refused:
    """Return the same for a process of its own."""

    def run(*arguments: object, **options: object) -> str:
        def in_child(words: list[str]) -> tuple[int, str, str]:
            done = musclefm(*words, cwd=tmp_path, **options)
            return done.returncode, done.stdout, done.stderr

        return said_in_one_line(in_child, arguments, tmp_path)

    return run


def said_in_one_line(run: Run, arguments: Sequence[object], folder: Path) -> str:
    """Require that a command is refused, and leaves a folder as it was; return its one line."""
    before = content(folder)
    code, out, said = run([str(argument) for argument in arguments])
    assert code == 2, out + said
    assert out == ""
    assert said.count("\n") == 1, said
    assert said.startswith("musclefm: ")
    # Cause and remedy.
    assert said.count(": ") >= 2
    assert SECRET not in said and str(folder) not in said
    assert content(folder) == before
    return said


@pytest.fixture
def water(scan: Path) -> Volume:
    return read_volume(scan / "water.nii.gz").volume


def missing(path: Path, water: Volume) -> Path:
    return path.with_suffix(".nii.gz")


def empty(path: Path, water: Volume) -> Path:
    path.with_suffix(".nii.gz").touch()
    return path.with_suffix(".nii.gz")


def truncated_nifti(path: Path, water: Volume) -> Path:
    return cut(written(path, ".nii", water))


def truncated_gzip(path: Path, water: Volume) -> Path:
    return cut(written(path, ".nii.gz", water))


def truncated_nrrd(path: Path, water: Volume) -> Path:
    return cut(written(path, ".nrrd", water))


def truncated_metaimage(path: Path, water: Volume) -> Path:
    return cut(written(path, ".mha", water))


def no_image(path: Path, water: Volume) -> Path:
    path.with_suffix(".txt").write_text("a letter")
    return path.with_suffix(".txt")


def letter_called_nifti(path: Path, water: Volume) -> Path:
    path.with_suffix(".nii").write_text("a letter " * 100)
    return path.with_suffix(".nii")


def folder_without_series(path: Path, water: Volume) -> Path:
    path.mkdir()
    (path / "letter.txt").write_text("a letter")
    return path


def four_dimensions(path: Path, water: Volume) -> Path:
    image = sitk.GetImageFromArray(water.array)
    sitk.WriteImage(sitk.JoinSeries([image, image]), path.with_suffix(".nii.gz"))
    return path.with_suffix(".nii.gz")


def colour(path: Path, water: Volume) -> Path:
    image = sitk.Cast(sitk.GetImageFromArray(water.array), sitk.sitkUInt8)
    sitk.WriteImage(sitk.Compose([image] * 3), path.with_suffix(".nrrd"))
    return path.with_suffix(".nrrd")


def one_pixel(path: Path, water: Volume) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((1, 1, 1), np.int16)), path.with_suffix(".nii"))
    return path.with_suffix(".nii")


def constant(path: Path, water: Volume) -> Path:
    return written(path, ".nii.gz", water.with_array(np.full_like(water.array, 7)))


def nan_inside(path: Path, water: Volume) -> Path:
    array = water.array.copy()
    k, j, i = np.unravel_index(array.argmax(), array.shape)
    array[k, j, i] = np.nan
    return written(path, ".nii.gz", water.with_array(array))


def infinite(path: Path, water: Volume) -> Path:
    array = water.array.copy()
    array[0, 0, 0] = np.inf
    return written(path, ".nrrd", water.with_array(array))


def written(path: Path, suffix: str, volume: Volume) -> Path:
    write_volume(volume, path.with_suffix(suffix))
    return path.with_suffix(suffix)


def cut(path: Path) -> Path:
    os.truncate(path, path.stat().st_size * 2 // 3)
    return path


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (missing, "does not exist"),
        (empty, "empty"),
        (truncated_nifti, "truncated"),
        (truncated_gzip, "damaged"),
        (truncated_nrrd, "damaged"),
        (truncated_metaimage, "damaged"),
        (no_image, "format"),
        (letter_called_nifti, "not a NIfTI"),
        (folder_without_series, "no DICOM series"),
        (four_dimensions, "4-D"),
        (colour, "several values a voxel"),
        (one_pixel, "1 x 1 x 1"),
        (constant, "constant"),
        (nan_inside, "NaN"),
        (infinite, "infinite"),
    ],
)
def test_an_image_that_is_none_is_refused(
    make: Callable[[Path, Volume], Path],
    cause: str,
    water: Volume,
    model: Path,
    refused: Refused,
    tmp_path: Path,
) -> None:
    image = make(tmp_path / SECRET, water)
    assert cause in refused("segment", image, "--model", model, "--out", "new/out")
    assert cause in refused("info", image)


def test_several_series_are_a_choice(shared: Path, model: Path, refused: Refused) -> None:
    folder = shared / "dicom-robustness" / "orientation"
    said = refused("segment", folder, "--model", model, "--out", "out")
    assert "series" in said and "--series N" in said


def test_channels_must_fit_together(
    water: Volume, scan: Path, model: Path, refused: Refused, tmp_path: Path
) -> None:
    other = written(tmp_path / "fat", ".nii.gz", Volume(water.array[:, 2:], water.grid.__class__(
        (6, water.array.shape[1] - 2, water.array.shape[2]),
        water.grid.spacing, water.grid.origin, water.grid.direction,
    )))  # fmt: skip
    given = ("--channel", f"water={scan / 'water.nii.gz'}")
    rest = ("--model", model, "--out", "out")
    fat = f"fat={other}"
    assert "different grids" in refused("segment", *given, "--channel", fat, *rest)
    assert "twice" in refused("segment", *given, *given, *rest)
    assert "names no file" in refused("segment", *given, "--channel", "fat", *rest)
    assert "no channel called" in refused("segment", "--channel", f"t3={other}", *rest)
    assert "one input" in refused("segment", other, *given, *rest)
    assert "one input" in refused("segment", *rest)
    assert "cannot be derived" not in refused("segment", other, "--echo", 5, *rest)


def change_a_byte(folder: Path) -> None:
    file = folder / "member-1.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)


def remove_a_member(folder: Path) -> None:
    (folder / "member-1.safetensors").unlink()


def name_an_unknown_scheme(folder: Path) -> None:
    change_manifest(folder, scheme="calf-99")


def rename_a_pickle(folder: Path) -> None:
    """Put a pickle in a member's place, with its right size and hash in the manifest."""
    file = folder / "member-0.safetensors"
    file.write_bytes(pickle.dumps({"weight": [1.0] * 1000}))
    change_first_member(folder, file)


def rename_a_torch_file(folder: Path) -> None:
    file = folder / "member-0.safetensors"
    torch.save({"weight": torch.zeros(3)}, file)
    change_first_member(folder, file)


def change_first_member(folder: Path, file: Path) -> None:
    members = json.loads((folder / "model.json").read_text())["members"]
    members[0]["weights"] |= {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
    change_manifest(folder, members=members)


def change_manifest(folder: Path, **changes: object) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def break_the_manifest(folder: Path) -> None:
    (folder / "model.json").write_text('{"name": "tiny",')


def ask_for_other_weights(folder: Path) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    change_manifest(folder, architecture=manifest["architecture"] | {"depth": 2})


def make_it_a_start(folder: Path) -> None:
    change_manifest(folder, role="start")


def ask_for_missing_channels(folder: Path) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    given = manifest["input"] | {"channels": ["in-phase", "out-of-phase"]}
    architecture = manifest["architecture"] | {"input_channels": 2}
    change_manifest(folder, input=given, architecture=architecture)


@pytest.mark.parametrize(
    ("harm", "cause"),
    [
        (change_a_byte, "sha256"),
        (remove_a_member, "missing"),
        (name_an_unknown_scheme, "label scheme 'calf-99'"),
        (rename_a_pickle, "pickle"),
        (rename_a_torch_file, "pickle"),
        (break_the_manifest, "not valid"),
        (ask_for_other_weights, "does not fit its architecture"),
        (make_it_a_start, "start for training"),
        (ask_for_missing_channels, "cannot be derived"),
    ],
)
def test_a_damaged_model_is_refused(
    harm: Callable[[Path], None],
    cause: str,
    scan: Path,
    model: Path,
    refused: Refused,
    tmp_path: Path,
) -> None:
    shutil.copytree(model, tmp_path / "harmed")
    harm(tmp_path / "harmed")
    image = scan / "water.nii.gz"
    assert cause in refused("segment", image, "--model", "harmed", "--out", "out")


def test_an_unknown_model_or_device_is_refused(scan: Path, model: Path, refused: Refused) -> None:
    image = scan / "water.nii.gz"
    said = refused("segment", image, "--model", "no-such-model", "--out", "out")
    assert "no model 'no-such-model'" in said
    assert "no model" in refused("models", "show", "no-such-model")
    assert "cannot be used" in refused("models", "show", "m" * 300)
    said = refused("segment", image, "--model", model, "--out", "out", "--device", "abacus")
    assert "device 'abacus'" in said


def test_what_cannot_be_imported_is_refused(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pth").write_bytes(pickle.dumps({"weight": [1.0]}))
    refused("models", "import", "checkpoint.pth", "--name", "mine")
    refused("models", "import", "nowhere", "--name", "mine")
    assert "cannot be the name" in refused("models", "import", "checkpoint.pth", "--name", "../x")


def test_a_bad_place_for_results_is_told_before_the_image_is_read(
    refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for command in (("segment", "no-image.nii.gz"), ("demo",)):
        assert "is that of a file" in refused(*command, "--out", "file")
        assert "cannot be written" in refused(*command, "--out", "file/out")
    assert "taken already" in refused("phantom", "--out", "file")
    assert "cannot be written" in refused("phantom", "--out", "file/out")


@pytest.fixture
def unprivileged(command: tuple[str, ...], environment: dict[str, str]) -> tuple[str, ...]:
    """Return what starts the command without root's power over access rights."""
    if os.geteuid() != 0:
        return command
    if not shutil.which("setpriv"):
        pytest.skip("root may write anywhere, and setpriv is not here")
    rights = "-dac_override,-dac_read_search"
    return ("setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command)


def test_a_folder_without_access_is_refused(
    scan: Path, unprivileged: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    image = tmp_path / "hidden.nii.gz"
    shutil.copy(scan / "water.nii.gz", image)
    image.chmod(0)
    for given, out, cause in (
        (scan / "water.nii.gz", locked / "new" / "out", "results cannot be written"),
        (scan / "water.nii.gz", locked, "results cannot be written"),
        (image, tmp_path / "out", "cannot be opened"),
    ):
        done = subprocess.run(
            [*unprivileged, "segment", str(given), "--out", str(out)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert cause in done.stderr and done.stderr.startswith("musclefm: ")
    assert sorted(tmp_path.iterdir()) == [image, locked] and not list(locked.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of 48 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("out", [".", "new/out"])
def test_a_full_disk_is_told(
    out: str, scan: Path, model: Path, refused_process: Refused, small_disk: Path
) -> None:
    image = scan / "water.nii.gz"
    said = refused_process("segment", image, "--model", model, "--out", small_disk / out)
    assert "disk is full" in said
    assert not list(small_disk.iterdir())


def test_a_file_that_may_not_grow_is_told_like_a_full_disk(
    scan: Path, model: Path, refused_process: Refused
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    image = scan / "water.nii.gz"
    said = refused_process("segment", image, "--model", model, "--out", "out", preexec_fn=limit)
    assert "disk is full" in said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["segment", "image.nii.gz"],
        ["segment", "image.nii.gz", "--out", "out", "--progress", "xml"],
        ["segment", "image.nii.gz", "--out", "out", "--echo", "two"],
        ["models"],
    ],
    ids=" ".join,
)
def test_a_command_that_is_not_understood_says_how_it_is_used(
    arguments: list[str], in_process: Run, tmp_path: Path
) -> None:
    code, out, said = in_process(arguments)
    assert (code, out) == (2, "")
    assert said.startswith("usage: musclefm") and "error: " in said
    assert not list(tmp_path.iterdir())
