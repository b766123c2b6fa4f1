"""The voxels of a file in one of its volumes, as float32."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.volumes.checks import damaged_error, truncated_error
from musclefm.volumes.formats.byte_source import ByteSource

_BLOCK = 1 << 22
_LONGEST_NUMBER = 400


@dataclass(frozen=True)
class Layout:
    """How a file stores its voxels, as its header says.

    Attributes
    ----------
    shape : tuple of int
        ``(K, J, I)`` of a volume.
    kind : dtype
        With its byte order.
    volumes : int
        How many of them there are.
    together : bool
        Whether the values of a voxel in all volumes follow one another; else
        the volumes do.
    """

    shape: tuple[int, int, int]
    kind: np.dtype[Any]
    volumes: int = 1
    together: bool = False

    @property
    def volume_bytes(self) -> int:
        """Size of one volume."""
        return math.prod(self.shape) * self.kind.itemsize

    @property
    def total_bytes(self) -> int:
        """Size of all volumes."""
        return self.volume_bytes * self.volumes


def read_voxels(
    source: ByteSource,
    layout: Layout,
    number: int,
    what: str,
    scaling: tuple[float, float] = (1.0, 0.0),
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Read one volume, and make sure that all are there.

    Parameters
    ----------
    source : ByteSource
        At the first voxel.
    layout : Layout
        Its shape was checked, so that the memory holds it.
    number : int
        Which volume, from 0.
    what : str
        What the image is called in messages.
    scaling : tuple of float
        Slope and intercept.

    Returns
    -------
    tuple of ndarray and tuple of str
        ``(K, J, I) float32``, and what to tell about it.

    Raises
    ------
    MuscleFMError
        The file ends before its voxels do.
    EOFError, zlib.error
        They are packed and damaged.
    """
    total = layout.total_bytes
    if source.most < total:
        raise truncated_error(what, source.most / total)
    slope, intercept = scaling
    array = np.empty(math.prod(layout.shape), np.float32)
    before = 0 if layout.together else number * layout.volume_bytes
    filled = 0
    read = source.skip(before)
    for block in _blocks(source, layout, number):
        read += block.nbytes * (layout.volumes if layout.together else 1)
        # Beyond float32 is infinity, which is refused later.
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = block if scaling == (1.0, 0.0) else block * slope + intercept
            array[filled : filled + len(block)] = scaled
        filled += len(block)
    others = total - read
    found, goes_on = source.finish(others if filled == len(array) else 0)
    if filled < len(array) or found < others:
        raise truncated_error(what, (read + found) / total)
    notes = (f"the file of {what} continues behind its voxels: the rest was not read",)
    return array.reshape(layout.shape), notes if goes_on else ()


def _blocks(source: ByteSource, layout: Layout, number: int) -> Iterator[npt.NDArray[Any]]:
    """Yield the voxels of a volume ``(N,)``, in pieces, as far as there are any."""
    step = layout.kind.itemsize * (layout.volumes if layout.together else 1)
    left = math.prod(layout.shape)
    buffer = np.empty(max(1, min(left, _BLOCK // step)) * step, np.uint8)
    while left:
        wanted = buffer[: min(left * step, len(buffer))]
        whole = source.read_into(wanted) // step
        values = wanted[: whole * step].view(layout.kind)
        yield values[number :: layout.volumes] if layout.together else values
        if whole * step < len(wanted):
            return
        left -= whole


def read_written_out(source: ByteSource, layout: Layout, what: str) -> npt.NDArray[np.float32]:
    """Read the voxels of a file that holds one volume in digits, separated by spaces or commas.

    Raises
    ------
    MuscleFMError
        There are too few numbers.
    ValueError
        There is something else than numbers.
    """
    size = math.prod(layout.shape)
    # A digit and what separates it from the next.
    if source.most < 2 * size - 1:
        raise truncated_error(what, source.most / (2 * size))
    array = np.empty(size, np.float32)
    filled, rest = 0, b""
    while filled < size:
        piece = source.read(_BLOCK)
        words = (rest + piece).replace(b",", b" ").split()
        # The last one may continue in the next piece.
        rest = words.pop() if piece and words and not piece[-1:].isspace() else b""
        if len(rest) > _LONGEST_NUMBER:
            raise damaged_error(what)
        words = words[: size - filled]
        array[filled : filled + len(words)] = np.array(words, np.float64)
        filled += len(words)
        if not piece:
            break
    if filled < size:
        raise truncated_error(what, filled / size)
    return array.reshape(layout.shape)
