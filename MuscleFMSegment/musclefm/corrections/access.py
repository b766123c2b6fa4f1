"""One writer at a time, on whatever workstation, and nothing left of those that were killed.

The lock is the operating system's, so it ends with its holder: whoever has it
knows that what is half written in the store belongs to nobody who lives.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from musclefm.corrections.record import FORMAT_VERSION, is_newer
from musclefm.errors import MuscleFMError
from musclefm.storage.atomic import atomic_bytes
from musclefm.storage.lock import acquired_lock
from musclefm.storage.regular_file import read_regular
from musclefm.storage.user_data import make_private_folder

STORE_FILE = "store.json"
SAMPLES_FOLDER = "samples"

_LOCK_FILE = ".lock"
_HALF_WRITTEN = ".*.partial"
_LARGEST_DOCUMENT = 1 << 16
_TIMEOUT_S = 60.0
_BUSY = MuscleFMError(
    "the store of corrections is kept busy by another program or workstation",
    "try again in a minute",
)


class _StoreDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT_VERSION
    salt: str = Field(pattern=r"^[0-9a-f]{64}$")
    salt_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @classmethod
    def of(cls, salt: bytes) -> _StoreDocument:
        return cls(salt=salt.hex(), salt_sha256=hashlib.sha256(salt).hexdigest())

    def content(self) -> bytes:
        return (json.dumps(self.model_dump(), indent=2) + "\n").encode()


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[bytes]:
    """Hold a store for writing, and make it where it is not there yet.

    What killed writers left half written is removed. A store that was made for
    work that fails goes with it.

    Parameters
    ----------
    folder : Path
        Of the store. Missing parents are made.

    Yields
    ------
    bytes
        The salt of its keys.

    Raises
    ------
    MuscleFMError
        The folder cannot be written, is no store, or others keep writing to it.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_empty, made)
        try:
            make_private_folder(folder)
            _refuse_other_folders(folder)
            stack.callback(acquired_lock(folder / _LOCK_FILE, _BUSY, _TIMEOUT_S).release)
            _clear_half_written(folder)
        except OSError as error:
            raise unwritable(error) from error
        if not (folder / STORE_FILE).exists():
            stack.enter_context(_new_store(folder))
        yield read_salt(folder)


@contextlib.contextmanager
def _new_store(folder: Path) -> Iterator[None]:
    """Make a store, and take it away where the work that it was made for fails."""
    try:
        document = _StoreDocument.of(secrets.token_bytes(32))
        atomic_bytes(folder / STORE_FILE, document.content())
        yield
    except BaseException:
        for name in (STORE_FILE, _LOCK_FILE):
            with contextlib.suppress(OSError):
                (folder / name).unlink()
        raise


def _refuse_other_folders(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    if STORE_FILE not in names and any(not name.startswith(".") for name in names):
        raise MuscleFMError(
            f"the folder holds other things and no {STORE_FILE}, so it is no store of corrections",
            "give the folder of a store, or a new one",
        )


def _clear_half_written(folder: Path) -> None:
    samples = folder / SAMPLES_FOLDER
    # A link leads to what is none of the store's.
    for place in (folder,) if samples.is_symlink() else (folder, samples):
        for path in place.glob(_HALF_WRITTEN):
            # What cannot be removed now is hidden and will be tried again.
            with contextlib.suppress(OSError):
                remove_entry(path)


def remove_entry(path: Path) -> None:
    """Remove a folder with all that it holds, or a file; of a link only the link.

    Raises
    ------
    OSError
        It cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def read_salt(folder: Path) -> bytes:
    """Return the salt of a store's keys.

    Raises
    ------
    MuscleFMError
        Its file is missing or not what was written.
    """
    try:
        content = read_regular(folder / STORE_FILE, _LARGEST_DOCUMENT, links=False)
        document = _StoreDocument.model_validate_json(content)
    except ValidationError as error:
        if is_newer(content, FORMAT_VERSION):
            raise MuscleFMError(
                "the store of corrections was made by a newer version of musclefm",
                "update musclefm",
            ) from error
        raise _damaged() from error
    except OSError as error:
        raise _damaged() from error
    salt = bytes.fromhex(document.salt)
    if _StoreDocument.of(salt).content() != content:
        raise _damaged()
    return salt


def unwritable(error: OSError) -> MuscleFMError:
    """Return the error for a store that cannot be written."""
    return MuscleFMError(
        f"the store of corrections cannot be written ({error.strerror or 'input or output error'})",
        "check its access rights and disk, or give another store",
    )


def _damaged() -> MuscleFMError:
    return MuscleFMError(
        f"{STORE_FILE} of the store is missing or damaged",
        "restore it from a backup: without it new samples are not matched to the cases of old ones",
    )
