"""Bundles on their way from one computer to another: a folder, or a zip of one.

Of a bundle travel ``model.json`` and the files that it names, and nothing else. Every byte
is compared with its hash on the way.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from musclefm.errors import MuscleFMError
from musclefm.models.bundle import MANIFEST_FILE, Bundle
from musclefm.models.manifest import LARGEST_MANIFEST, BundleManifest, parse_manifest
from musclefm.models.weight_files import GET_AGAIN, WeightFile
from musclefm.plain_text import figures
from musclefm.storage.atomic import staged_file, staged_folder
from musclefm.storage.regular_file import LargeFileError, is_file, open_regular
from musclefm.storage.zip_files import READ_ERRORS, is_packed_plainly, leads_out, open_zip

_ZIP = ".zip"
_CHUNK = 1 << 20

# Weights hardly get smaller; what does by more than this holds none.
_LARGEST_RATIO = 100
# A thousand entries, each of which takes a hundred bytes or two.
_LARGEST_DIRECTORY = 1 << 18
# The same bundle always gives the same bytes.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class BundleSource:
    """A bundle to be copied, whose weights nobody has looked at yet.

    Attributes
    ----------
    manifest : BundleManifest
        What it says of itself.
    text : bytes
        Its ``model.json``.
    open : callable
        Opens one of its files by name, for reading.
    """

    manifest: BundleManifest
    text: bytes
    open: Callable[[str], IO[bytes]]


def holds_bundle(path: Path) -> bool:
    """Return whether a path can be one for :func:`bundle_source`: it is a zip, or a bundle."""
    return path.suffix.lower() == _ZIP or is_file(path / MANIFEST_FILE)


@contextlib.contextmanager
def bundle_source(path: Path) -> Iterator[BundleSource]:
    """Open a bundle's folder, or a zip of one, for copying.

    Raises
    ------
    MuscleFMError
        There is none, its ``model.json`` is not valid, or a path in the zip leads out of it.
    """
    if path.suffix.lower() != _ZIP:
        yield _source(lambda name: open_regular(path / name, links=False), path.name)
        return
    with open_zip(path, _LARGEST_DIRECTORY, GET_AGAIN) as archive:
        folder = _bundle_folder(archive, path.name)
        source = _source(lambda name: archive.open(f"{folder}{name}"), path.name)
        packed = path.stat().st_size
        if sum(entry.bytes for entry in source.manifest.files) > _LARGEST_RATIO * packed:
            raise _not_packed_so(path.name)
        yield source


def copy_bundle(source: BundleSource, folder: Path) -> None:
    """Copy a bundle into an empty folder, and compare every hash on the way.

    Raises
    ------
    MuscleFMError
        A file is missing, or not what the manifest says, or the disk is too full.
    OSError
        The folder cannot be written.
    """
    needed, free = sum(x.bytes for x in source.manifest.files), shutil.disk_usage(folder).free
    if needed > free:
        raise MuscleFMError(
            f"model '{source.manifest.name}' takes {figures(needed / 1e9)} GB, and"
            f" {figures(free / 1e9)} GB of the disk are free",
            "free some space",
        )
    for entry in source.manifest.files:
        _write(folder / entry.file, _checked(source, entry))
    _write(folder / MANIFEST_FILE, iter((source.text,)))


def export_bundle(bundle: Bundle, out: Path) -> None:
    """Write a bundle as a folder, or as a zip where the name ends in ``.zip``.

    Parameters
    ----------
    bundle : Bundle
        What to write.
    out : Path
        To be made.

    Raises
    ------
    MuscleFMError
        It exists already or cannot be written, or the bundle is damaged.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise MuscleFMError(f"'{out.name}' exists already", "give another name for the export")
    with bundle_source(bundle.folder) as source:
        if out.suffix.lower() == _ZIP:
            out.parent.mkdir(parents=True, exist_ok=True)
            with staged_file(out, new=True) as staged:
                _write_zip(source, staged)
        else:
            with staged_folder(out) as folder:
                copy_bundle(source, folder)


def _source(opened: Callable[[str], IO[bytes]], label: str) -> BundleSource:
    try:
        with opened(MANIFEST_FILE) as stream:
            text = stream.read(LARGEST_MANIFEST + 1)
            if len(text) > LARGEST_MANIFEST:
                raise LargeFileError(LARGEST_MANIFEST)
    except READ_ERRORS as error:
        raise MuscleFMError(
            f"'{label}' is not a model: it holds no readable {MANIFEST_FILE}", GET_AGAIN
        ) from error
    return BundleSource(parse_manifest(text, label), text, opened)


def _bundle_folder(archive: zipfile.ZipFile, label: str) -> str:
    """Return what stands before the names of the bundle's files, e.g. ``"thigh-demo/"``."""
    if not is_packed_plainly(archive):
        raise _not_packed_so(label)
    if leads_out(archive):
        raise MuscleFMError(f"'{label}' holds paths that lead out of it", GET_AGAIN)
    paths = [PurePosixPath(name) for name in archive.namelist()]
    found = [str(path.parent) for path in paths if path.name == MANIFEST_FILE]
    if len(found) != 1:
        raise MuscleFMError(
            f"'{label}' holds {len(found) or 'no'} models",
            "give a zip that 'musclefm models export' wrote",
        )
    return "" if found[0] == "." else f"{found[0]}/"


def _not_packed_so(label: str) -> MuscleFMError:
    return MuscleFMError(
        f"'{label}' is not packed as a model is", "give a zip that 'musclefm models export' wrote"
    )


def _checked(source: BundleSource, entry: WeightFile) -> Iterator[bytes]:
    """Yield a file in chunks, never more than it should hold, and refuse it where it differs."""
    label = f"'{entry.file}' of model '{source.manifest.name}'"
    digest, left = hashlib.sha256(), entry.bytes
    try:
        with source.open(entry.file) as stream:
            while chunk := stream.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    break
                digest.update(chunk)
                yield chunk
    except READ_ERRORS as error:
        raise MuscleFMError(f"{label} is missing or unreadable", GET_AGAIN) from error
    if left or digest.hexdigest() != entry.sha256:
        raise MuscleFMError(f"{label} has changed: its size or sha256 is wrong", GET_AGAIN)


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    with path.open("xb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())


def _write_zip(source: BundleSource, path: Path) -> None:
    name = source.manifest.name
    files: list[tuple[str, Iterator[bytes]]] = [(MANIFEST_FILE, iter((source.text,)))]
    files += [(entry.file, _checked(source, entry)) for entry in source.manifest.files]
    with path.open("xb") as file:
        # Weights do not get smaller.
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for member, chunks in files:
                info = zipfile.ZipInfo(f"{name}/{member}", _ZIP_TIME)
                with archive.open(info, "w", force_zip64=True) as stream:
                    stream.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())
