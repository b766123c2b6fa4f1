"""Image files of every format, and what chance or malice makes of them."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from made_dicom import write_enhanced, write_series

from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sided import with_sides
from musclefm.volumes.formats.encoding import encode_volume
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

Random = np.random.Generator

_NUMBERS = (0, 1, -1, 127, 255, 32767, -32768, 65535, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
_FRACTIONS = (0.0, -1.0, 1e-30, 1e30, -1e308, 1e308, float("nan"), float("inf"), float("-inf"))
_WORDS = (
    "", "0", "-1", "1000000000", "nan", "inf", "-1e308", "1e-308", "1" * 5000, "%s%s%n%n", "LIST",
    "../../etc/passwd", "/dev/zero", "/dev/stdin", "voxels.%d 1 9999999 1", "none", "(0,0,0)",
    "ascii", "gzip", "MET_STRING", "-1 -1 -1", "99999 99999 99999", "1 1", "\u5927\u817f \x1b[2J",
)  # fmt: skip
_HEADER = 600


def sample_volume() -> Volume:
    """Return two bright discs in noise on five slices."""
    rng = np.random.default_rng(5)
    rows, columns = np.indices((32, 48))
    discs = sum((rows - 16) ** 2 + (columns - at) ** 2 < 90 for at in (12, 35))
    array = 20 * rng.random((5, 32, 48)) + 200 * discs
    grid = Grid(
        shape=array.shape,
        spacing=(4.0, 4.0, 6.0),
        origin=(-90.5, -61.25, 315.75),
        direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    )
    return Volume(array.astype(np.float32), grid)


def _nibabel(image_class: type, name: str) -> Callable[[Path, Volume], Path]:
    def write(folder: Path, volume: Volume) -> Path:
        nibabel.save(image_class(volume.array.T, volume.grid.ijk_to_ras), folder / name)
        return folder / name

    return write


def _encoded(name: str) -> Callable[[Path, Volume], Path]:
    def write(folder: Path, volume: Volume) -> Path:
        (folder / name).write_bytes(encode_volume(volume, name))
        return folder / name

    return write


def _nrrd(encoding: str, detached: bool) -> Callable[[Path, Volume], Path]:
    def write(folder: Path, volume: Volume) -> Path:
        header = encode_volume(volume, ".nrrd").split(b"\n\n")[0]
        header = header.replace(b"encoding: gzip", f"encoding: {encoding}".encode())
        voxels = volume.array.tobytes()
        if encoding == "ascii":
            voxels = " ".join(f"{value:.1f}" for value in volume.array.ravel()).encode()
        if detached:
            (folder / "voxels.raw").write_bytes(voxels)
            (folder / "scan.nhdr").write_bytes(header + b"\ndata file: voxels.raw\n")
            return folder / "scan.nhdr"
        (folder / "scan.nrrd").write_bytes(header + b"\n\n" + voxels)
        return folder / "scan.nrrd"

    return write


def _mhd(folder: Path, volume: Volume) -> Path:
    header = encode_volume(volume, ".mha").split(b"LOCAL\n")[0]
    header = header.replace(b"CompressedData = True", b"CompressedData = False")
    (folder / "scan.mhd").write_bytes(header + b"voxels.raw\n")
    (folder / "voxels.raw").write_bytes(volume.array.tobytes())
    return folder / "scan.mhd"


def _segmentation(folder: Path, volume: Volume) -> Path:
    labels = (volume.array > 100).astype(np.uint8)
    sides = np.ones_like(labels)
    sides[..., 24:] = 2
    scheme = load_scheme("thigh-12")
    sided = volume.with_array(with_sides(labels, sides, scheme))
    write_seg_nrrd(folder / "scan.seg.nrrd", sided, scheme)
    return folder / "scan.seg.nrrd"


def _slice(folder: Path, volume: Volume) -> Path:
    return write_series(folder, volume)[2]


def _series(folder: Path, volume: Volume) -> Path:
    write_series(folder, volume)
    return folder


def _enhanced(folder: Path, volume: Volume) -> Path:
    write_enhanced(folder / "scan.dcm", {1.5: volume})
    return folder / "scan.dcm"


FORMATS: dict[str, Callable[[Path, Volume], Path]] = {
    ".nii": _encoded("scan.nii"),
    ".nii.gz": _encoded("scan.nii.gz"),
    "NIfTI-2": _nibabel(nibabel.Nifti2Image, "scan.nii"),
    ".hdr and .img": _nibabel(nibabel.Nifti1Pair, "scan.hdr"),
    ".nrrd, raw": _nrrd("raw", False),
    ".nrrd, gzip": _encoded("scan.nrrd"),
    ".nrrd, ascii": _nrrd("ascii", False),
    ".nhdr": _nrrd("raw", True),
    ".mha": _encoded("scan.mha"),
    ".mhd": _mhd,
    ".seg.nrrd": _segmentation,
    "DICOM slice": _slice,
    "DICOM series": _series,
    "DICOM enhanced": _enhanced,
}
"""Writes a volume into an empty folder and returns the path to open, by format."""


def flip_bits(content: bytearray, random: Random) -> None:
    """Flip a few bits, mostly of the header."""
    end = len(content) if random.random() < 0.3 else min(_HEADER, len(content))
    for at in random.integers(0, end, random.integers(1, 9)):
        content[at] ^= 1 << int(random.integers(8))


def cut_off(content: bytearray, random: Random) -> None:
    """Leave only the beginning."""
    end = len(content) if random.random() < 0.5 else min(_HEADER, len(content))
    del content[int(random.integers(0, end)) :]


def put_extremes(content: bytearray, random: Random) -> None:
    """Put the largest, the smallest or no number in the place of fields of the header."""
    for _ in range(int(random.integers(1, 4))):
        kind = str(random.choice(list("hiqfd")))
        values = _FRACTIONS if kind in "fd" else _NUMBERS
        value = values[int(random.integers(len(values)))]
        size = struct.calcsize(kind)
        if kind in "hiq":
            limit = 1 << (8 * size)
            value = (int(value) % limit) - (limit if int(value) % limit >= limit // 2 else 0)
        at = size * int(random.integers(0, min(_HEADER, len(content)) // size))
        with np.errstate(all="ignore"):
            packed = np.array(value, np.dtype(f"<{kind}")).tobytes()
        content[at : at + size] = packed


def change_lines(content: bytearray, random: Random) -> None:
    """Double, remove, exchange or rewrite lines of a header of text; or pieces of another one."""
    header, separator, voxels = bytes(content).partition(b"\n\n")
    lines = header.split(b"\n")[:40]
    rest = header.split(b"\n")[40:]
    for _ in range(int(random.integers(1, 4))):
        at, other = (int(random.integers(len(lines))) for _ in range(2))
        match int(random.integers(5)):
            case 0:
                lines.insert(other, lines[at])
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                key, mark, _ = lines[at].partition(b"=" if b" = " in lines[at] else b":")
                word = _WORDS[int(random.integers(len(_WORDS)))]
                lines[at] = key + (mark or b":") + b" " + word.encode()
    content[:] = b"\n".join([*lines, *rest]) + separator + voxels


def insert_noise(content: bytearray, random: Random) -> None:
    """Put random bytes in, at the end or in the place of all."""
    noise = random.bytes(int(random.integers(1, 2000)))
    match int(random.integers(4)):
        case 0:
            content += noise
        case 1:
            content[:] = noise
        case _:
            at = int(random.integers(0, min(_HEADER, len(content))))
            content[at:at] = noise


MUTATIONS = (flip_bits, cut_off, put_extremes, change_lines, insert_noise)


def mutate(path: Path, random: Random) -> str:
    """Change a file, or one of a folder, and return how.

    A zipped file is mostly changed below its compression.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    beside = [file for file in sorted(path.parent.iterdir()) if not path.is_dir()]
    file = files[int(random.integers(len(files)))]
    if len(beside) == 2 and random.random() < 0.2:
        file = next(other for other in beside if other != path)
    raw = file.read_bytes()
    zipped = raw.startswith(b"\x1f\x8b") and random.random() < 0.7
    content = bytearray(gzip.decompress(raw) if zipped else raw)
    change = MUTATIONS[int(random.integers(len(MUTATIONS)))]
    if content:
        change(content, random)
    file.write_bytes(gzip.compress(bytes(content)) if zipped else bytes(content))
    return change.__name__
