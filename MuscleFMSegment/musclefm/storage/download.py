"""Large files from the web: resumed where they stopped, and only the right bytes."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import re
import shutil
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from musclefm import __version__
from musclefm.errors import MuscleFMError
from musclefm.progress import Progress, ProgressEvent
from musclefm.storage.lock import acquired_lock
from musclefm.storage.regular_file import sha256_of
from musclefm.storage.user_data import make_private_folder

_CHUNK = 1 << 18
_MEGABYTE = 1_000_000
_SILENCE_S = 30.0
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

# Tries in a row that bring the file no further, and the seconds of rest after the first.
_TRIES = 5
_REST_S = 1.0


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web, of known content or not.

    Attributes
    ----------
    address, file : str
        Where it is, and its name on the disk.
    bytes : int
        Size of the file; 0 where it is not known.
    sha256 : str
        Its hash, lower-case hexadecimal; empty where it is not known.
    """

    address: str
    file: str
    bytes: int = 0
    sha256: str = ""

    @property
    def host(self) -> str:
        """Name of the server."""
        return urlsplit(self.address).netloc


class _CutError(Exception):
    """The connection brought no more, for a reason that may pass."""


def download(remote: RemoteFile, folder: Path, progress: Progress) -> Path:
    """Download a file, or the rest of it where an earlier try was cut short.

    What has come is kept in ``<file>.part`` whatever happens, unless it is wrong.

    Parameters
    ----------
    remote : RemoteFile
        What to download.
    folder : Path
        Where to; made where it is not there.
    progress : Progress
        Called with megabytes.

    Returns
    -------
    Path
        The file, with the right hash if that is known; else as long as the server says.

    Raises
    ------
    MuscleFMError
        The server cannot be reached or does not have it, it is another file, the disk
        is full, or another process is downloading it.
    """
    final, part = folder / remote.file, folder / f"{remote.file}.part"
    with _alone(folder, remote.file):
        _require_own(part)
        if final.is_file() and remote.sha256 in ("", sha256_of(final)):
            return final
        _require_space(folder, remote.bytes - _size(part))
        failures, furthest = 0, _size(part)
        whole = 0 < remote.bytes == furthest
        while not whole:
            try:
                whole = _go_on(remote, part, progress)
                reason = "the connection was cut"
            except _CutError as cut:
                reason = str(cut)
            failures = 0 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures == _TRIES:
                raise MuscleFMError(
                    f"{remote.file} cannot be downloaded from {remote.host} ({reason})",
                    "check the network and its proxy and start again: it resumes where it"
                    " stopped; or give a folder that holds the file with --from",
                )
            time.sleep(_REST_S * failures)
        if remote.sha256 not in ("", sha256_of(part)):
            part.unlink()
            raise _another_file(remote)
        with _disk_errors(), part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(final)
    return final


def discard_download(remote: RemoteFile, folder: Path) -> bool:
    """Remove what was downloaded of a file, and return whether there was anything.

    Raises
    ------
    MuscleFMError
        Another process is downloading it, or it cannot be removed.
    """
    places = [folder / remote.file, folder / f"{remote.file}.part"]
    if not any(place.exists() for place in places):
        return False
    with _alone(folder, remote.file):
        for place in places:
            place.unlink(missing_ok=True)
    return True


def file_in_folder(remote: RemoteFile, folder: Path) -> Path:
    """Return the file from a folder that the user has it in, e.g. on a computer off the web.

    Raises
    ------
    MuscleFMError
        It is not there, or is another file.
    """
    path = folder / remote.file
    if not path.is_file():
        raise MuscleFMError(
            f"'{folder.name}' holds no {remote.file}", f"put it there from {remote.address}"
        )
    if remote.bytes not in (0, _size(path)) or remote.sha256 not in ("", sha256_of(path)):
        raise _another_file(remote)
    return path


def _go_on(remote: RemoteFile, part: Path, progress: Progress) -> bool:
    """Append what a single answer of the server brings, and tell whether that was all."""
    done = _size(part)
    headers = {"User-Agent": f"musclefm/{__version__}"}
    if done:
        headers["Range"] = f"bytes={done}-"
    request = urllib.request.Request(remote.address, headers=headers)
    with _answer(request, remote, part) as answer:
        # A server that knows no ranges begins anew.
        resumed = bool(done) and answer.status == HTTPStatus.PARTIAL_CONTENT
        if not resumed and remote.bytes and answer.length not in (None, remote.bytes):
            # Something in between may have answered, so what has come is kept.
            raise _another_file(remote)
        if resumed and not re.match(rf"bytes {done}-", answer.headers.get("Content-Range", "")):
            part.unlink()
            raise _CutError("the server sent another part than asked for")
        done = done if resumed else 0
        # A server that packs files as it sends them says no length.
        size = remote.bytes or (done + answer.length if answer.length is not None else 0)
        _require_space(part.parent, size - done)
        total = max(size // _MEGABYTE, int(size > 0))
        with _disk_errors():
            file = part.open("ab" if resumed else "wb")
        with file:
            for chunk in _chunks(answer):
                done += len(chunk)
                if 0 < size < done:
                    break
                with _disk_errors():
                    file.write(chunk)
                    file.flush()
                progress(ProgressEvent("download", done // _MEGABYTE, total, "MB"))
    if 0 < size < done:
        part.unlink()
        raise _another_file(remote)
    return done == size or not size


@contextlib.contextmanager
def _answer(
    request: urllib.request.Request, remote: RemoteFile, part: Path
) -> Iterator[http.client.HTTPResponse]:
    try:
        answer = urllib.request.urlopen(request, timeout=_SILENCE_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        elif error.code < HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in _PASSING:
            raise MuscleFMError(
                f"{remote.host} does not give {remote.file} (HTTP {error.code})",
                "get the file by other means and give its folder with --from",
            ) from error
        raise _CutError(f"HTTP {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(_why(error)) from error
    with answer:
        yield answer


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := answer.read(_CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(_why(error)) from error


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _no_space() from error
        raise _unwritable(error) from error


@contextlib.contextmanager
def _alone(folder: Path, file: str) -> Iterator[None]:
    try:
        make_private_folder(folder)
        busy = MuscleFMError(f"another program is downloading {file}", "wait until it is done")
        lock = acquired_lock(folder / f".{file}.lock", busy)
    except OSError as error:
        raise _unwritable(error) from error
    try:
        yield
    finally:
        lock.release()


def _require_space(folder: Path, needed: int) -> None:
    if shutil.disk_usage(folder).free < needed:
        raise _no_space()


def _require_own(part: Path) -> None:
    """Refuse to write into a link, a FIFO or anything else that bears the name of a part."""
    try:
        is_own = stat.S_ISREG(part.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_own:
        raise MuscleFMError(
            f"'{part.name}' among the downloads is a link, a folder or a device, not a file",
            "remove it and start again",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason) or type(error).__name__


def _another_file(remote: RemoteFile) -> MuscleFMError:
    return MuscleFMError(
        f"this is not the known {remote.file}: its size or sha256 is wrong",
        "get it again, from its authors, and give its folder with --from",
    )


def _no_space() -> MuscleFMError:
    return MuscleFMError(
        "the disk is too full for the download",
        "free some space and start again: it resumes where it stopped",
    )


def _unwritable(error: OSError) -> MuscleFMError:
    return MuscleFMError(
        f"the download cannot be written ({error.strerror or 'input or output error'})",
        "check the access rights of the user's data folder and its disk",
    )
